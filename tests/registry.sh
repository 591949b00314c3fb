# shellcheck shell=bash
# A registry on this machine: sourced, runs nothing by itself.

# start_registry FOLDER: serves what is pushed to it, kept in FOLDER; sets port and registry, its process.
start_registry() {
    local folder=$1 try
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
        "$folder/registry" "$port" > "$folder/registry.yml"
    docker-registry serve "$folder/registry.yml" > "$folder/registry.log" 2>&1 &
    registry=$!
    for try in {1..100}; do
        ! curl -s "http://127.0.0.1:$port/v2/" > /dev/null || return 0
        kill -0 "$registry" || break
        sleep 0.1
    done
    echo "docker-registry does not answer (try $try)"
    return 1
}
