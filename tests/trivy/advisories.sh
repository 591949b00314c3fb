# shellcheck shell=bash
# Advisories about Debian's packages for a database of Trivy: sourced, runs nothing by itself.

# debian_advisories IMGFIX IMAGE REPORT: {"RELEASE": {source: {id: fixed}}} from a report of Trivy, by the source packages
# that the image names.
debian_advisories() {
    "$1" inventory -q "$2" --format json | jq --slurpfile report "$3" '
        (.platforms[0].packages | map({key: .name, value: (.source.name // .name)}) | from_entries) as $source
        | reduce ($report[0].Results[].Vulnerabilities[] | select(.FixedVersion // "" != "")) as $one ({};
            .["debian 12"][$source[$one.PkgName]][$one.VulnerabilityID] = $one.FixedVersion)'
}
