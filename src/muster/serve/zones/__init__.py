"""Where an instance runs, for clients that prefer their own zone.

finding.py   from the argument and the environment to the zone
file.py      a file that an orchestrator writes
ec2.py       the metadata of Amazon's machines

Another source is a function as `finding.Source`, in the entry-point group `muster.zones`.
"""

from muster.serve.zones.finding import Source, zone_of

__all__ = ["Source", "zone_of"]
