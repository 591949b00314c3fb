# Sets what a definition of an Ubuntu image sets. Sourced by definitions, with the suite.
suite=$1
# shellcheck disable=SC2154 # of the script that sources the definition
keyring=$(realpath "$here/../../repair-recipes/keyrings/ubuntu-archive-keyring.gpg")
mirror="deb [signed-by=$keyring] http://archive.ubuntu.com/ubuntu $suite main universe"
include='apt ubuntu-keyring'
pending="deb http://archive.ubuntu.com/ubuntu $suite-updates main universe
deb http://security.ubuntu.com/ubuntu $suite-security main universe"
sources="Types: deb
URIs: http://archive.ubuntu.com/ubuntu/
Suites: $suite $suite-updates $suite-backports
Components: main universe
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg

Types: deb
URIs: http://security.ubuntu.com/ubuntu/
Suites: $suite-security
Components: main universe
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg"
hooks=("printf '%s\n' '$sources' > \"\$1/etc/apt/sources.list.d/ubuntu.sources\"" 'rm "$1/etc/apt/sources.list"')
