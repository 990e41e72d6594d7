#!/usr/bin/env bash
# What schedule coverage brings: fuzzes the target `order`, which has a planted bug, five times with it and five times without,
# one try after the other, and prints a row a try. Usage: ./measure.sh [PROGRAM]; without one it builds it, with nightly.
#
# Times are of one core's work (user and system), which other programs on the machine do not change. Tries without schedule
# coverage get five times the median of those with it, and no less than 60 s.
set -euo pipefail
cd "$(dirname "$0")"
program=${1:-}
if [ -z "$program" ]; then
  # Without AddressSanitizer, which has nothing to find here.
  cargo +nightly fuzz build --sanitizer none order
  program=${CARGO_TARGET_DIR:-target}/x86_64-unknown-linux-gnu/release/order
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# try SEED SECONDS: prints what came of it; `spent` and `found` say the same.
try() {
  local log=$scratch/log
  mkdir -p "$scratch/found"
  # The shell that waits for it knows what it has used.
  spent=$( (
    (ulimit -t "$2" && exec "$program" -seed="$1" -use_counters=0 -artifact_prefix="$scratch/found/") >"$log" 2>&1 || true
    times
  ) 2>"$scratch/killed" | tail -n 1 | awk -F'[ms ]+' '{ printf "%.1f", $1 * 60 + $2 + $3 * 60 + $4 }')
  local runs
  runs=$(sed -n 's/^#\([0-9]*\).*/\1/p' "$log" | tail -n 1)
  found=no
  if grep -q 'an order for product 7531 is forgotten' "$log"; then found=yes; fi
  rm -rf "$scratch/found"
  echo "| $1 | ${3} | $found | $spent s | $runs |"
}

echo "| seed | schedule coverage | found | time | runs |"
echo "|---|---|---|---|---|"
times=()
for seed in 1 2 3 4 5; do
  try "$seed" 60 on
  [ "$found" = yes ] && times+=("$spent") || times+=(inf)
done
median=$(printf '%s\n' "${times[@]}" | sort -g | sed -n 3p)
[ "$median" != inf ] || { echo "most tries found nothing within 60 s" >&2; exit 1; }
limit=$(awk -v median="$median" 'BEGIN { five = int(5 * median + 0.999); print five < 60 ? 60 : five }')
export WITHOUT_SCHEDULE_COVERAGE=1
for seed in 1 2 3 4 5; do try "$seed" "$limit" off; done
echo
echo "median with schedule coverage: $median s; without it each try had $limit s"
