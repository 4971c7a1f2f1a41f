#!/bin/sh
# Known vulnerabilities of the packages that serving installs, by uv.lock. Exit code 0: none known; 1: some are;
# 3: the advisory service was not reached, and NOTHING is known. It is PyPI's; where only a mirror can be reached, set
# ADVISORIES_URL to the query address of a service that speaks OSV (such as https://osv.example/v1/query).
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
.venv/bin/uv export --quiet --frozen --no-dev --no-emit-project --format requirements-txt >"$work/requirements.txt"
ask() { # $1: requirements, $2: answer
    .venv/bin/pip-audit --requirement "$1" --no-deps --disable-pip --progress-spinner off \
        --cache-dir "$work/cache" ${ADVISORIES_URL:+--vulnerability-service osv --osv-url "$ADVISORIES_URL"} \
        --format json --output "$2" 2>"$work/said"
}
not_audited() {
    # Of a mirror that knows nothing this would read as an answer.
    tail -n 1 "$work/said" | grep -v "^No known vulnerabilities" >&2 || true
    echo "trialsite: NOT AUDITED. No advisory service was reached, so nothing is known of vulnerabilities." >&2
    echo "trialsite: Set ADVISORIES_URL to the query address of a service that speaks OSV and can be reached." >&2
    exit 3
}
# A mirror may answer without knowing of any flaw. Django 3.2 has many: where none is told, none would ever be.
echo "django==3.2" >"$work/canary.txt"
ask "$work/canary.txt" "$work/canary.json" && not_audited
[ -s "$work/canary.json" ] || not_audited
code=0
ask "$work/requirements.txt" "$work/found.json" || code=$?
[ -s "$work/found.json" ] || not_audited
cat "$work/said" >&2
.venv/bin/python - "$work/found.json" <<'PYTHON'
import json
import sys

packages = json.load(open(sys.argv[1], encoding="utf-8"))["dependencies"]
for one in packages:
    for flaw in one.get("vulns", []):
        mended = ", ".join(flaw["fix_versions"]) or "no version yet"
        print(f"{one['name']} {one['version']}: {flaw['id']}, mended in {mended}")
print(f"{len(packages)} packages audited.")
PYTHON
exit "$code"
