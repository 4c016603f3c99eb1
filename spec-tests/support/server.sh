# For scripts that start connegd and ask it things; to be sourced.

# ready PID LOG: waits until the server says in LOG where it listens, and prints that URL. If it does not, the status is 1.
ready() {
    local url
    for _ in $(seq 200); do
        url=$(sed -n 's/^listening on //p' "$2" | head -n 1)
        [ -n "$url" ] && echo "$url" && return
        kill -0 "$1" 2>/dev/null || break
        sleep 0.05
    done
    return 1
}

passed=0 failed=0
# check WHAT EXPECTED FOUND
check() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
        echo "ok    $1"
    else
        failed=$((failed + 1))
        echo "FAIL  $1: expected '$2', found '$3'"
    fi
}
