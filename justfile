# The commands that are used most; CONTRIBUTING.md has the others. `just` lists them.

# What there is
default:
    @just --list

# The program, as it is used
build:
    cargo build --locked --release

# All tests, or those of one room: just test findings
test room="":
    tests/run {{ if room == "" { "" } else { "-p imgfix-" + room } }}

# Lints, as strict as before a change is taken
lint:
    cargo clippy --locked --workspace --all-targets -- -D warnings

# The form of the code
fmt:
    cargo fmt --all

# Pages of the code, in target/doc
docs:
    cargo doc --locked --no-deps --workspace --document-private-items

# The pages in docs/ as a site, in target/book (needs mdbook)
book:
    mdbook build docs

# Against the real apt, as root: just differential bullseye bookworm
differential +images="bookworm":
    tests/differential/run {{ images }}

# One fuzz target for so many seconds (needs cargo-fuzz): just fuzz scan_report 600
fuzz target seconds="60":
    mkdir -p fuzz/corpus/{{ target }} && cargo fuzz run --sanitizer none {{ target }} fuzz/corpus/{{ target }} fuzz/seeds/{{ target }} -- -max_total_time={{ seconds }} -timeout=10 -rss_limit_mb=1024

# Everything that has to pass, on Debian 12 as root
ci:
    .ci/run
