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

# The budgets, as ratios measured on this machine.
bench *arguments:
    tests/run bench {{ arguments }}
