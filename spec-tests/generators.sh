#!/bin/bash
# Whether the Markdown of what generators of sites write says what their pages say.
#
#     cargo build --release --bins
#     spec-tests/generators.sh
#
# MkDocs and Sphinx, with several themes, make sites of fixtures/generators, and spec-tests/derived-markdown.py compares. What
# is built stands in target/generators; exit status as of that program. Needs Python 3.11 or later with venv,
# and the package registry once.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(realpath -m "${CARGO_TARGET_DIR:-target}")/generators
packages=$(python3 spec-tests/environment.py generators)
rm -rf "$out/sites"
mkdir -p "$out/sites"
for theme in material mkdocs readthedocs; do
    THEME=$theme NO_MKDOCS_2_WARNING=1 "$packages/bin/mkdocs" build --quiet --config-file fixtures/generators/mkdocs/mkdocs.yml \
        --site-dir "$out/sites/mkdocs-$theme"
done
for theme in alabaster classic furo pydata_sphinx_theme sphinx_rtd_theme; do
    "$packages/bin/sphinx-build" -q -D html_theme=$theme -d "$out/doctrees" fixtures/generators/sphinx "$out/sites/sphinx-$theme"
done
exec spec-tests/derived-markdown.py --pages 0 "$out"/sites/*
