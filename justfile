# What a developer of this project types. Each line also works when typed by hand.

# Lists what there is.
default:
    @just --list

# Sets up and runs every test.
test *arguments:
    tests/run {{ arguments }}

# Format, lints, documentation.
lint:
    cargo fmt --all --check
    cargo clippy --all-targets -- --deny warnings
    RUSTDOCFLAGS='--deny warnings' cargo doc --no-deps --document-private-items --quiet

# What a change must pass.
ci:
    .ci/run

# What reads untrusted bytes, fed for a time each, and the redactor against its oracle with a million texts.
fuzz seconds="60":
    AGENTSECRETS_FUZZ_SECONDS={{ seconds }} cargo test --locked --profile fuzz --lib fuzz::
    PROPTEST_CASES=250000 cargo test --locked --profile fuzz --lib a_run_redacts_as_the_oracle_says

# The budgets, as ratios measured on this machine.
bench *arguments:
    tests/run bench {{ arguments }}
