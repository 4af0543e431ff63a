#!/bin/sh
# Writes time-zones.txt: the names of the IANA time zone database, those that are links to others included.
# Takes tzdata.zi, which is part of every release of the database (https://www.iana.org/time-zones):
#   plugins/sdk/data/time-zones.sh tzdata.zi > plugins/sdk/data/time-zones.txt
# `Factory` says that no zone was chosen, so it is none.
set -eu
printf '# Names of the IANA time zone database, %s. Written by time-zones.sh.\n' "$(sed -n 's/^# version //p;1q' "$1")"
awk '$1 == "Z" { print $2 } $1 == "L" { print $3 }' "$1" | grep -vx Factory | LC_ALL=C sort -u
