#!/bin/bash -eu
# Builds every target, and packs its seeds beside it. ClusterFuzzLite and OSS-Fuzz set $SRC and $OUT, and run this with nightly.
cd "$SRC/orders"
cargo fuzz build --release --debug-assertions
for target in $(cargo fuzz list); do
  cp "target/x86_64-unknown-linux-gnu/release/$target" "$OUT/"
  if [ -d "fuzz/corpus/$target" ]; then
    zip --junk-paths --quiet "$OUT/${target}_seed_corpus.zip" fuzz/corpus/"$target"/*
  fi
  # How often a loop goes round is no news: of schedules, that is noise.
  printf '[libfuzzer]\nuse_counters = 0\n' >"$OUT/$target.options"
done
