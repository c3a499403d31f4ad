"""Print every skipped test with its reason; fail on a reason that is not expected here, and when no test ran."""

import collections
import os
import re
import shutil
import sys
import xml.etree.ElementTree as ElementTree


def expected(environ, browser):
    """Patterns of the reasons that may appear: what this machine lacks, and nothing that it has.

    ``browser``: whether there is one, or .ci/run could have installed one.
    """
    patterns = [r"no CUDA device", r"no AVX-?512"]
    if not environ.get("TOPO_INTERP_DATA"):
        patterns.append(r"TOPO_INTERP_DATA")  # known-answer clouds that are not part of the project
    if not browser:
        patterns.append(r"no chromium")
    return patterns


def main(paths):
    ran = 0
    reasons = collections.defaultdict(list)
    for path in paths:
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
    installs = os.getuid() == 0 and shutil.which("apt-get") is not None
    browser = installs or any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    patterns = expected(os.environ, browser)
    unexpected = [reason for reason in reasons if not any(re.search(pattern, reason) for pattern in patterns)]
    print(f"{ran} tests ran, {sum(map(len, reasons.values()))} skipped")
    if unexpected:
        sys.exit(f"reasons that are not expected here: {unexpected}")
    if ran == 0:
        sys.exit("no test ran")


if __name__ == "__main__":
    main(sys.argv[1:])
