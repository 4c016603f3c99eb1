#!/bin/bash
# Gets the manual of Apache httpd for the test apache_manual: downloads Debian's package apache2-doc, unpacks it below
# DIRECTORY without installing it, and prints where the manual is. No root needed. For example:
#
#   CONNEGD_APACHE_MANUAL=$(spec-tests/apache-manual.sh DIRECTORY) cargo test apache_manual
set -euo pipefail

directory=${1:?usage: $0 DIRECTORY}
manual=usr/share/doc/apache2-doc/manual
mkdir -p "$directory"
cd "$directory"
if [ ! -d "$manual" ]; then
    apt-get -qq download apache2-doc >&2
    dpkg -x apache2-doc_*.deb .
    rm apache2-doc_*.deb
fi
echo "$PWD/$manual"
