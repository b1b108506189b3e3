#!/usr/bin/env bash
# fetch.sh - brings the public data sets that manifest.tsv names into the folder data/ beside it.
#
# A set counts as there when its size and SHA-256 are the manifest's, whoever served it. It is loaded into FILE.part and
# takes its name once verified, so that nothing under the final name was ever cut or altered; a load that broke off is
# resumed. A file that is there and differs is somebody's: it is never touched.
set -u -o pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 1
manifest=$here/manifest.tsv
data=$here/data
shown=${data#"$PWD"/} # in messages
mirror=
names=() files=() formats=() sizes=() sums=() urls=() licences=()

usage() {
    cat <<'TEXT'
usage: fetch.sh [--mirror URL] [NAME... | all]
Brings public data sets into datasets/data, each verified by size and SHA-256. Without a NAME it lists them.
A load that broke off goes on where it stopped. Needs curl.

  --mirror URL      load URL/FILE (http or https) instead of the published address; the checks are the same
  -h, --help        this text

Exit status: 0: all requested files are there. 1: one could not be fetched, or the user stopped it. 2: the command
line or the manifest is at fault.
TEXT
}

say() { # one line on stderr
    printf 'fetch: %s\n' "$*" >&2
}

wrong_usage() {
    say "$* (fetch.sh -h says more)"
    exit 2
}

# ---- the manifest ------------------------------------------------------------------------------------

read_manifest() {
    local line=0 name file format size sum url licence more
    [ -r "$manifest" ] || { say "$manifest: cannot read"; exit 2; }
    while IFS=$'\t' read -r name file format size sum url licence more || [ -n "$name" ]; do
        line=$((line + 1))
        case $name in '' | '#'*) continue ;; esac
        if [ -z "$licence" ] || [ -n "$more" ]; then
            say "$manifest:$line: not seven columns (name, file, format, bytes, sha256, url, licence; a tab between them)"
            exit 2
        fi
        if ! [[ $file =~ ^[A-Za-z0-9_][A-Za-z0-9._-]*$ && $size =~ ^[1-9][0-9]*$ && $sum =~ ^[0-9a-f]{64}$ ]]; then
            say "$manifest:$line: a bad file, bytes or sha256 (a plain name, digits, 64 hex digits)"
            exit 2
        fi
        names+=("$name") files+=("$file") formats+=("$format") sizes+=("$size") sums+=("$sum") urls+=("$url")
        licences+=("$licence")
    done <"$manifest"
}

find_set() { # NAME: its index in `found`
    for found in "${!names[@]}"; do
        [ "${names[found]}" = "$1" ] && return 0
    done
    return 1
}

# ---- files -------------------------------------------------------------------------------------------

bytes_of() { # FILE: 0 when it is missing
    if [ -e "$1" ]; then wc -c <"$1" | tr -d ' '; else echo 0; fi
}

sum_of() {
    if command -v sha256sum >/dev/null; then sha256sum <"$1"; else shasum -a 256 <"$1"; fi | cut -d ' ' -f 1
}

verified() { # INDEX FILE
    [ "$(bytes_of "$2")" = "${sizes[$1]}" ] && [ "$(sum_of "$2")" = "${sums[$1]}" ]
}

state_of() { # INDEX: one word
    local file=$data/${files[$1]}
    if [ -e "$file" ]; then
        if verified "$1" "$file"; then echo there; else echo differs; fi
    elif [ -s "$file.part" ]; then
        echo partial
    else
        echo missing
    fi
}

list_sets() {
    local i
    printf '%-12s %-8s %9s  %-10s %s\n' name state bytes format file
    for i in "${!names[@]}"; do
        printf '%-12s %-8s %9s  %-10s %s\n' "${names[i]}" "$(state_of "$i")" "${sizes[i]}" "${formats[i]}" \
            "$shown/${files[i]}"
        printf '%-12s %s\n' '' "${licences[i]}"
    done
}

# ---- loading -----------------------------------------------------------------------------------------

loader= # the process that loads, while it does
errors= # what it said

# shellcheck disable=SC2317 # called by a trap
stop() {
    trap - INT TERM HUP
    if [ -n "$loader" ]; then
        kill "$loader" 2>/dev/null
        wait "$loader" 2>/dev/null
    fi
    rm -f "$errors" "$errors.code"
    say "interrupted; the same command goes on where this one stopped"
    exit 1
}

# Runs curl in the background, where a signal to this script does not wait for it to end. Prints nothing: its exit
# status is returned, the server's answer is in `answer`, its own words in $errors.
answer=
load() { # URL PART BYTES
    local status
    curl --location --fail --silent --show-error --proto "$protocols" --proto-redir "$protocols" \
        --connect-timeout 20 --speed-limit 1 --speed-time 60 --retry 2 --max-filesize "$3" \
        --continue-at - --output "$2" --write-out '%{http_code}' "$1" >"$errors.code" 2>"$errors" &
    loader=$!
    wait "$loader"
    status=$?
    loader=
    answer=$(cat "$errors.code")
    rm -f "$errors.code"
    return "$status"
}

explain() { # STATUS NAME URL PART: why curl failed, and what to do
    local why
    case $1 in
    6) why="cannot find the server (is there a network? else load it elsewhere and put it there, or use --mirror)" ;;
    7) why="cannot reach the server (is there a network? else load it elsewhere and put it there, or use --mirror)" ;;
    18 | 52 | 55 | 56) why="the connection broke off; run the same command again to go on from byte $(bytes_of "$4")" ;;
    22) case $answer in
        404 | 410) why="the server has no such file (answer $answer); it may have moved: see datasets/README.md" ;;
        *) why="the server refuses (answer $answer); try again later" ;;
        esac ;;
    23) why="cannot write $4 (is the disk full, or the folder read-only?)" ;;
    28) why="timed out; run the same command again to go on from byte $(bytes_of "$4")" ;;
    35 | 51 | 60) why="no trusted connection ($(tail -n 1 "$errors"))" ;;
    63) why="the server's file is larger than the manifest's; it is not the one that was published" ;;
    *) why="curl failed with status $1 ($(tail -n 1 "$errors"))" ;;
    esac
    say "$2: $3: $why"
}

# Whatever a .part holds is either the beginning of the right file or of no use.
fetch_set() { # INDEX
    local i=$1 name=${names[$1]} file=$data/${files[$1]} size=${sizes[$1]} url=${urls[$1]}
    local part=$file.part status=0 have
    [ -z "$mirror" ] || url=$mirror/${files[i]}
    case $(state_of "$i") in
    there) return 0 ;;
    differs)
        say "$name: $file is there but is not the published file (move it away to fetch that)"
        return 1 ;;
    esac
    mkdir -p "$data" || { say "$name: cannot make the folder $data"; return 1; }
    [ "$(bytes_of "$part")" -le "$size" ] || rm -f "$part"
    if [ "$(bytes_of "$part")" != "$size" ]; then
        load "$url" "$part" "$size"
        status=$?
        if [ "$status" = 33 ] || [ "$answer" = 416 ]; then # the server cannot go on from there
            rm -f "$part"
            load "$url" "$part" "$size"
            status=$?
        fi
    fi
    [ -s "$part" ] || rm -f "$part"
    if [ "$status" != 0 ]; then
        explain "$status" "$name" "$url" "$part"
        return 1
    fi
    if ! verified "$i" "$part"; then
        have="$(bytes_of "$part") bytes, SHA-256 $(sum_of "$part")"
        rm -f "$part"
        say "$name: $url: not the published file: $have (expected $size bytes, ${sums[i]}); it was thrown away, try again"
        return 1
    fi
    if [ -e "$file" ] || ! mv "$part" "$file"; then
        say "$name: cannot rename $part to $file"
        return 1
    fi
    echo "$name: $shown/${files[i]}, $size bytes; ${licences[i]}"
}

# ---- the command line --------------------------------------------------------------------------------

wanted=()
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage; exit 0 ;;
    --mirror)
        [ $# -gt 1 ] || wrong_usage "--mirror needs a URL"
        mirror=$2
        shift ;;
    --mirror=*) mirror=${1#*=} ;;
    -*) wrong_usage "unknown option \"$1\"" ;;
    *) wanted+=("$1") ;;
    esac
    shift
done
protocols='=https'
case $mirror in
'') ;;
http://* | https://*) mirror=${mirror%/} protocols='=http,https' ;;
*) wrong_usage "--mirror \"$mirror\" is not a URL (http://... or https://...)" ;;
esac

read_manifest
if [ ${#wanted[@]} = 0 ]; then
    list_sets
    exit 0
fi
chosen=() everything=
for name in "${wanted[@]}"; do
    [ "$name" != all ] || { everything=yes && continue; }
    find_set "$name" || wrong_usage "unknown data set \"$name\" (${names[*]}, or all)"
    chosen+=("$found")
done
[ -z "$everything" ] || chosen=("${!names[@]}")
command -v curl >/dev/null || { say "curl is missing (apt-get install curl)"; exit 1; }

errors=$(mktemp) || exit 1
trap stop INT TERM HUP
failed=0
for i in "${chosen[@]}"; do
    fetch_set "$i" || failed=1
done
rm -f "$errors"
exit "$failed"
