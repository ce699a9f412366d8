"""Where a protein binds on RNA of any length: windows, tracks, sites, and how often chance alone finds one."""
