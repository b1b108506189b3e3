# zsh complete.zsh COMPLETION LINE: what zsh offers after LINE in the current folder, one a line. A shell is run on a
# terminal of its own, as a user would have it, and what it offers is taken down.
zmodload zsh/zpty
completion=$1 line=$2
zpty shell zsh -f -i
zpty -w shell "PROMPT= RPROMPT= PS2="
zpty -w shell "stty -echo"
zpty -w shell "autoload -Uz compinit && compinit -D -u && source ${(q)completion}"
zpty -w shell 'compadd () {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return $?; fi
    typeset -a hits
    builtin compadd -A hits "$@"
    print -rl -- "<hit>"${^hits}"</hit>"
    builtin compadd "$@"
}'
zpty -w shell 'show () { print "<end>"; exit }; zle -N show'
zpty -w shell 'bindkey "^I" complete-word; bindkey "^X" show; print "<ready>"'
local out
zpty -r -m shell out $'*<ready>\r\n*'
zpty -w -n shell "$line"$'\t\x18'
zpty -r -m shell out '*<end>*'
print -r -- "$out" | tr '\r' '\n' | sed -n 's/.*<hit>\(..*\)<\/hit>.*/\1/p'
