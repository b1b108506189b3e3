# What `make install` puts where, and `make uninstall` takes away; included by the Makefile.
#
#     BINDIR       harness
#     MANDIR       a page for the program, for each command and for each INI file, made from the tables of its options
#     BASHDIR ...  completion for bash, zsh and fish, made from the same tables
#     HOMEDIR      configs/, and the model, records and script that they name in datasets/
#     PYTHONDIR    the figures as the Python package harness_plots
#     DOCDIR       README, changelog, licence, citation and the schema of results files
#
# DESTDIR comes before each, for packages. PROGRAM is what is installed, and RUN what runs it where this machine cannot, such as
# RUN="qemu-aarch64 -L /usr/aarch64-linux-gnu".
PREFIX    ?= /usr/local
BINDIR    ?= $(PREFIX)/bin
DATADIR   ?= $(PREFIX)/share
MANDIR    ?= $(DATADIR)/man
BASHDIR   ?= $(DATADIR)/bash-completion/completions
ZSHDIR    ?= $(DATADIR)/zsh/site-functions
FISHDIR   ?= $(DATADIR)/fish/vendor_completions.d
HOMEDIR   ?= $(DATADIR)/harness
PYTHONDIR ?= $(HOMEDIR)/python
DOCDIR    ?= $(DATADIR)/doc/harness
PROGRAM   ?= $(B)/harness
RUN       ?=
INSTALL   ?= install

CONFIGS = $(sort $(wildcard experiments/configs/*.ini))
# For the configs: what they read, and what fetches the rest into a copy of HOMEDIR.
SHIPPED = datasets/models/copier.gguf datasets/models/README.md $(sort $(wildcard datasets/samples/*.jsonl)) \
          datasets/manifest.tsv
MODULES = $(sort $(wildcard analysis/plotting/*.py))
DOCS    = README.md CHANGELOG.md CITATION.cff LICENSE

# A config lies one folder nearer to what it names, runs the program that is installed, and writes into the current folder,
# which is what a config without `output` does. A copy of HOMEDIR has no build/ before something is made in it.
INSTALLED_CONFIG = -e '/^command.* \.\.\/\.\.\/build\//s,= *,= mkdir -p ../../build \&\& ,' \
                   -e '/^output *= *\.\.\/\.\.\/results$$/d' -e 's,\(\.\./\.\./\|\./\)harness ,harness ,g' \
                   -e 's,\.\./\.\./,../,g' -e 's,experiments/configs/,configs/,g'

# Pages are named NAME.SECTION; harness-NAME.SECTION is about the topic NAME.
.PHONY: install uninstall
install: $(PROGRAM)
	@set -e; program='$(RUN) $(abspath $(PROGRAM))'; \
	file() { $(INSTALL) -D -m 644 "$$1" "$(DESTDIR)$$2"; }; \
	made() { to="$(DESTDIR)$$1"; shift; $(INSTALL) -d "$${to%/*}"; "$$@" >"$$to"; chmod 644 "$$to"; }; \
	$(INSTALL) -D -m 755 $(PROGRAM) "$(DESTDIR)$(BINDIR)/harness"; \
	pages=$$($$program help --pages); \
	for page in $$pages; do \
	  topic=$${page%.*}; topic=$${topic#harness}; \
	  made "$(MANDIR)/man$${page##*.}/$$page" $$program help --man $${topic#-}; \
	done; \
	made "$(BASHDIR)/harness" $$program help --completion bash; \
	made "$(ZSHDIR)/_harness" $$program help --completion zsh; \
	made "$(FISHDIR)/harness.fish" $$program help --completion fish; \
	for f in $(CONFIGS); do made "$(HOMEDIR)/configs/$${f##*/}" sed $(INSTALLED_CONFIG) $$f; done; \
	for f in $(SHIPPED); do file $$f "$(HOMEDIR)/$$f"; done; \
	$(INSTALL) -m 755 datasets/fetch.sh "$(DESTDIR)$(HOMEDIR)/datasets/fetch.sh"; \
	for f in $(MODULES); do file $$f "$(PYTHONDIR)/harness_plots/$${f##*/}"; done; \
	for f in $(DOCS); do file $$f "$(DOCDIR)/$$f"; done; \
	file results/README.md "$(DOCDIR)/results.md"; \
	echo "harness $(VERSION) is installed below $(DESTDIR)$(PREFIX)"

# What install has put there, file by file: others may keep theirs in the same folders. Folders of ours go when they are
# empty, those of all programs stay. __pycache__ is Python's copy of our modules.
uninstall: $(PROGRAM)
	@set -e; program='$(RUN) $(abspath $(PROGRAM))'; \
	gone() { rm -f "$(DESTDIR)$$1"; }; \
	gone "$(BINDIR)/harness"; \
	pages=$$($$program help --pages); \
	for page in $$pages; do gone "$(MANDIR)/man$${page##*.}/$$page"; done; \
	gone "$(BASHDIR)/harness"; gone "$(ZSHDIR)/_harness"; gone "$(FISHDIR)/harness.fish"; \
	for f in $(CONFIGS); do gone "$(HOMEDIR)/configs/$${f##*/}"; done; \
	for f in $(SHIPPED) datasets/fetch.sh; do gone "$(HOMEDIR)/$$f"; done; \
	for f in $(MODULES); do gone "$(PYTHONDIR)/harness_plots/$${f##*/}"; done; \
	rm -rf "$(DESTDIR)$(PYTHONDIR)/harness_plots/__pycache__"; \
	for f in $(DOCS) results.md; do gone "$(DOCDIR)/$$f"; done; \
	for d in "$(PYTHONDIR)/harness_plots" "$(HOMEDIR)/python" "$(HOMEDIR)/configs" "$(HOMEDIR)/datasets/models" \
	         "$(HOMEDIR)/datasets/samples" "$(HOMEDIR)/datasets" "$(HOMEDIR)" "$(DOCDIR)"; do \
	  rmdir "$(DESTDIR)$$d" 2>/dev/null || true; \
	done
