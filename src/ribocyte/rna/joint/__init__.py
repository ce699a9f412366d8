"""One network for many proteins: a shared reading of the RNA, and a bank of the proteins that it is read for."""
