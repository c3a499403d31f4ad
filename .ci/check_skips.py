"""Print every skipped test with its reason; fail on a reason that is not expected, and when no test ran."""

import collections
import re
import sys
import xml.etree.ElementTree as ElementTree

EXPECTED = (r"no CUDA device", r"no AVX-?512")

ran = 0
reasons = collections.defaultdict(list)
for path in sys.argv[1:]:
    for case in ElementTree.parse(path).iter("testcase"):
        skipped = case.find("skipped")
        if skipped is None:
            ran += 1
        else:
            reasons[skipped.get("message", "")].append(f"{case.get('classname')}::{case.get('name')}")
for reason, names in sorted(reasons.items()):
    print(f"skipped {len(names)}: {reason}")
    for name in names[:5]:
        print(f"    {name}")
unexpected = [reason for reason in reasons if not any(re.search(known, reason) for known in EXPECTED)]
print(f"{ran} tests ran, {sum(map(len, reasons.values()))} skipped")
if unexpected:
    sys.exit(f"reasons that are not expected here: {unexpected}")
if ran == 0:
    sys.exit("no test ran")
