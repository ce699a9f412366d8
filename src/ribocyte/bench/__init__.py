"""How fast this package is on the machine at hand: beside the loops a user would otherwise write, and the hardware.

Every measurement is a fresh process. What orchestrates them (`comparing`, `works`, `processes`) imports nothing
heavy; what is measured is a command of the command line, a peer's script, or a task of `ribocyte.bench.worker`.
"""
