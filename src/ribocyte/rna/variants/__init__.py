"""What variants in the genome do to the binding of RNA: changes, where they are read, their effects, and files.

========================  ===========================================================================================
`alleles`                 from REF and ALT to a change of the genome, or why there is none to score
`loci`                    the RNA around a change, before and after it, and the windows that cover it
`readings`                in which RNAs a change is read: genome, pre-mRNA, mature transcripts
`effects`                 what a network says of all windows, and what that amounts to
`sites`                   which site was lost or gained
`rows`                    VCF and BCF, read row by row
`writing`                 annotated VCF and BCF, and tables
========================  ===========================================================================================
"""
