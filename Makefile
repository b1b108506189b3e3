# make run     installs what is missing, builds, runs the main job and prints its table
# make test    installs what is missing, builds and runs all tests
# make         builds ./harness; config=release|debug|sanitize|portable puts objects into build/$(config)
# make reproduce  runs all sweeps, makes all tables, figures and the paper, and compares the results' hashes
# make model    trains the embedded model again, from nothing but this folder: about an hour and three quarters on two cores
# Others: unit integration portability slurm-test peer fuzz deps lint format paper notebooks report-picture install uninstall dist deb clean compile_commands.json - each says below what it does.

SHELL := /bin/bash
config ?= release
PYTHON ?= /usr/bin/python3
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif

B := build/$(config)

# All processors, unless -j says otherwise. What a compiler says comes in one piece; jobs, which run for long, speak at once.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(JOBS) --no-print-directory
endif
ifeq ($(filter-out harness all $(B)/%,$(MAKECMDGOALS)),)
MAKEFLAGS += --output-sync=target
endif
# Goals that must not run beside those after them.
ifneq ($(filter clean deps%,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif
ifneq ($(filter unit,$(MAKECMDGOALS)),)
integration: | unit
endif

# V=1 shows the commands.
Q   := $(if $(V),,@)
say := @$(if $(V),true,printf '  %-4s %s\n')

# ---- flags -------------------------------------------------------------------------------------------
# No flag for the CPU at hand: one binary runs on every x86-64, kernels are chosen at run time.
# What decides the bits of a result comes last, after the user's CFLAGS, CXXFLAGS and LDFLAGS, and takes back what they may
# have turned on; -Ofast and -ffast-math would even set the processor to flush subnormals, when they are linked with. What no
# flag takes back with both compilers, engine/base/strict.h refuses.
# -ffp-contract=off: a fused multiply-add happens where the source says fma and nowhere else.
# -fno-math-errno, -fno-trapping-math: no value depends on errno or floating-point flags, which stop vectorizing.
WARNINGS     := -Wall -Wextra
WARNINGS_C   := -Wshadow -Wconversion -Wstrict-prototypes
OPT_release  := -O3
OPT_portable := -O3 -DKERNELS_PORTABLE_ONLY
OPT_debug    := -O0
OPT_fuzz     := -O1 -DKERNELS_PORTABLE_ONLY -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
OPT_afl      := -O1 -DKERNELS_PORTABLE_ONLY -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
OPT_tsan     := -O1 -DKERNELS_PORTABLE_ONLY -fno-omit-frame-pointer -fsanitize=thread
OPT_sanitize := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
OPT := $(OPT_$(config))
ifeq ($(OPT),)
$(error config=$(config) is unknown (release, debug, sanitize, fuzz, afl, tsan or portable))
endif
# -fno-trapping-math is there twice: clang takes -fno-unsafe-math-optimizations for -ftrapping-math, and warns of one that follows it alone.
STRICT := $(OPT) -fno-trapping-math -fno-fast-math -fno-unsafe-math-optimizations -fno-associative-math -fno-reciprocal-math \
          -fno-finite-math-only -fsigned-zeros -fno-rounding-math -fno-math-errno -fno-trapping-math -ffp-contract=off -fopenmp
PACKAGES := gsl hdf5 inih jansson libxxhash libcrypto libpcre2-8 libutf8proc zlib
# Not evaluated before a compiler runs: `make deps` must work without them.
PKG_CONFIG ?= pkg-config
PKG_CFLAGS  = $(shell $(PKG_CONFIG) --cflags $(PACKAGES))
PKG_LIBS    = $(shell $(PKG_CONFIG) --libs $(PACKAGES))
FIRST_FLAGS = $(WARNINGS) $(if $(filter debug,$(config)),-g3,-g1) -D_GNU_SOURCE -I. -I$(B) $(PKG_CFLAGS)
ALL_CFLAGS   = $(FIRST_FLAGS) $(WARNINGS_C) $(CFLAGS) -std=c17 $(STRICT)
ALL_CXXFLAGS = $(FIRST_FLAGS) $(CXXFLAGS) -std=c++17 $(STRICT)
ALL_LDFLAGS  = $(LDFLAGS) $(STRICT)
LIBS         = $(PKG_LIBS) -lstdc++ -ldl -lm

# ---- sources: a new file needs no line here ----------------------------------------------------------
ENGINE      := $(filter-out engine/kernels/%,$(sort $(shell find engine -name '*.c')))
KERNELS     := $(filter-out engine/kernels/generic.c,$(wildcard engine/kernels/*.c))
STORE       := $(wildcard store/*.c)
DATASETS    := $(wildcard datasets/*.c datasets/scenarios/*.c)
EXPERIMENTS := $(filter-out experiments/harness.c,$(sort $(shell find experiments -name '*.c')))
ANALYSIS    := $(sort $(shell find analysis -name '*.c'))
TESTS       := $(wildcard tests/unit/*.c tests/fixtures/*.c tests/conformance/*.c)

# The generic kernels are one source compiled once for each instruction set; NAME_avx2.c, NAME_avx512.c and NAME_neon.c have the flags of
# theirs, and are empty without them.
ARCH := $(shell $(CC) -dumpmachine | cut -d- -f1)
ISAS := portable
ifeq ($(ARCH)-$(filter portable fuzz afl tsan,$(config)),x86_64-)
ISAS += avx2 avx512 avx512bf16
else ifeq ($(ARCH)-$(filter portable fuzz afl tsan,$(config)),aarch64-)
ISAS += neon
endif
# ISA_NAME is what kernels go by, not what the compiler may use: that can be more.
ISA_FLAGS_avx2   := -DISA_AVX2 -mavx2 -mfma -mf16c
ISA_FLAGS_avx512 := -DISA_AVX512 -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mprefer-vector-width=512
ISA_FLAGS_avx512bf16 := $(ISA_FLAGS_avx512) -DISA_AVX512BF16 -mavx512bf16
ISA_FLAGS_neon   := -DISA_NEON -march=armv8.2-a+dotprod

objects = $(patsubst %.c,$(B)/%.o,$(1))
# Kernels take longest to compile, and so come first.
LIB_OBJ := $(if $(wildcard engine/kernels/generic.c),$(ISAS:%=$(B)/engine/kernels/generic_%.o)) \
           $(call objects,$(KERNELS) $(ENGINE) $(STORE) $(DATASETS) $(ANALYSIS) $(EXPERIMENTS)) $(B)/engine/base/rng.o
LIB     := $(B)/libharness.a

.DEFAULT_GOAL := harness
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all harness reproduce deps deps-test deps-slurm slurm-test deps-browser deps-lint deps-portability deps-deb deps-paper run model test unit integration portability peer peer_arctic peer_ik lint format clean paper notebooks report-picture FORCE

# ---- build -------------------------------------------------------------------------------------------
all: $(B)/harness $(B)/unit-tests

# ./harness is always the release build.
harness: $(B)/harness
ifeq ($(config),release)
	@ln -sf $(B)/harness harness
endif

$(B)/harness: $(B)/experiments/harness.o $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(B)/unit-tests: $(call objects,$(TESTS)) $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell $(PKG_CONFIG) --libs criterion) $(LIBS)

# q, not r: two folders may hold files of one name.
$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(say) AR $@
	$(Q)ar qcs $@ $^

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(ALL_CFLAGS) $(FILE_FLAGS) -MMD -MP -c -o $@ $<

$(B)/%.o: %.cc $(B)/flags
	@mkdir -p $(@D)
	$(say) CXX $<
	$(Q)$(CXX) $(ALL_CXXFLAGS) -MMD -MP -c -o $@ $<

# Time is spent in the engine; the rest is optimized less, which compiles faster.
$(call objects,$(STORE) $(DATASETS) $(ANALYSIS) $(EXPERIMENTS)): FILE_FLAGS = $(patsubst -O3,-O2,$(filter -O3,$(OPT)))
$(call objects,$(TESTS)): FILE_FLAGS = $(patsubst -O%,-O1,$(filter -O2 -O3,$(OPT)))

$(B)/engine/kernels/%_avx2.o: FILE_FLAGS = $(if $(filter avx2,$(ISAS)),$(ISA_FLAGS_avx2))
$(B)/engine/kernels/%_avx512.o: FILE_FLAGS = $(if $(filter avx512,$(ISAS)),$(ISA_FLAGS_avx512))
$(B)/engine/kernels/%_avx512bf16.o: FILE_FLAGS = $(if $(filter avx512bf16,$(ISAS)),$(ISA_FLAGS_avx512bf16))
$(B)/engine/kernels/%_neon.o: FILE_FLAGS = $(if $(filter neon,$(ISAS)),$(ISA_FLAGS_neon))

# The report's page around its data: the style, the scripts and the modules of D3 that draw, in one file before the data and one after.
D3         ?= /usr/share/nodejs
D3_MODULES := array collection color format interpolate path time time-format scale selection axis shape
D3_FILES   := $(foreach m,$(D3_MODULES),$(D3)/d3-$m/dist/d3-$m.min.js)
D3_LICENCE ?= /usr/share/doc/node-d3-selection/copyright
PAGE       := analysis/report/page
PAGE_B     := $(B)/$(PAGE)
SCRIPTS    := $(foreach s,base model chart table heat curves shares tokens timeline trials main,$(PAGE)/$s.js)
$(B)/analysis/report/assets.o: FILE_FLAGS += -DREPORT_PAGE='"$(PAGE_B)"'
$(B)/analysis/report/assets.o: $(PAGE_B)/head.html $(PAGE_B)/tail.html
$(PAGE_B)/head.html: $(PAGE)/head.html $(PAGE)/style.css $(PAGE)/body.html
	@mkdir -p $(@D)
	$(Q){ cat $(PAGE)/head.html; echo '<style>'; cat $(PAGE)/style.css; echo '</style></head>'; cat $(PAGE)/body.html; \
	  printf '<script type="application/json" id="data">'; } >$@
$(PAGE_B)/tail.html: $(D3_FILES) $(D3_LICENCE) $(SCRIPTS) Makefile
	@mkdir -p $(@D)
	$(Q){ echo '</script>'; echo '<details class="licence"><summary>Licence of D3, which draws this page</summary><pre>'; \
	  sed 's/&/\&amp;/g; s/</\&lt;/g' $(D3_LICENCE); echo '</pre></details>'; \
	  for f in $(D3_FILES); do echo '<script>'; cat $$f; echo '</script>'; done; \
	  echo '<script>'; echo '(() => {'; echo '"use strict";'; cat $(SCRIPTS); echo '})();'; echo '</script></body></html>'; } >$@
$(D3_FILES) $(D3_LICENCE):
	@echo "$@ is missing: make deps installs the packages node-d3-*, D3=FOLDER names another place" >&2; exit 1

$(ISAS:%=$(B)/engine/kernels/generic_%.o): $(B)/engine/kernels/generic_%.o: engine/kernels/generic.c $(B)/flags
	@mkdir -p $(@D)
	$(say) CC '$< ($*)'
	$(Q)$(CC) $(ALL_CFLAGS) $(ISA_FLAGS_$*) $(if $(filter avx512bf16,$*),-DPANEL_ISA=avx512) -DKERNEL_ISA=$* -MMD -MP -c -o $@ $<

# What is written anew only when its text changes: what depends on it is made again then, and only then.
# $(file) writes the text as it is, whatever is in it.
write_if_changed = $(shell mkdir -p $(@D))$(file >$@.new,$(1))@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# With other flags or another compiler all objects are made again.
COMPILER = $(shell $(CC) --version | head -n 1)
define FLAGS_TEXT
$(CC): $(COMPILER)
$(ALL_CFLAGS)
$(foreach isa,$(ISAS),$(isa): $(ISA_FLAGS_$(isa))
)$(CXX): $(shell $(CXX) --version | head -n 1)
$(ALL_CXXFLAGS)
$(ALL_LDFLAGS) $(LIBS)
endef
$(B)/flags: FORCE
	$(call write_if_changed,$(FLAGS_TEXT))

# Who built this, from what: goes into every results file. The commit is this folder's, not that of a repository around it; a
# tarball of `make dist` says its own. Where a package is built, which Debian's flags tell, changes nothing.
GIT    := env -u GIT_DIR -u GIT_WORK_TREE -u GIT_INDEX_FILE git
COMMIT  = $(shell up=$$($(GIT) rev-parse --show-cdup 2>/dev/null) && [ -z "$$up" ] && \
            $(GIT) describe --always --dirty --abbrev=40 --exclude '*' 2>/dev/null || \
            grep -xE '[0-9a-f]{40}' packaging/commit 2>/dev/null || echo unknown)
without_place = $(filter-out -ffile-prefix-map=% -fdebug-prefix-map=%,$(1))
c_string = "$(subst ",\",$(subst \,\\,$(strip $(1))))"
define VERSION_TEXT
#define BUILD_COMMIT $(call c_string,$(COMMIT))
#define BUILD_COMPILER $(call c_string,$(COMPILER))
#define BUILD_FLAGS $(call c_string,$(call without_place,$(ALL_CFLAGS)))
#define BUILD_USER_FLAGS $(call c_string,$(call without_place,$(CFLAGS) $(CXXFLAGS) $(LDFLAGS)))
endef
$(B)/experiments/sweep/provenance.o: $(B)/version.h $(B)/sources.h
$(B)/version.h: FORCE
	$(call write_if_changed,$(VERSION_TEXT))

# Digests of the sources that can change a decoded token: of each policy, rule and target, and of what all cells share.
# Not in it: what only lists them, only checks, only writes models, or only handles files, names and messages, and the
# rest of the program.
PLUGINS = $(shell grep -lE '^const (policy|rule|target)_ops [a-z0-9_]+ = ' engine/policies/*.c engine/rules/*.c engine/target/*.c)
SHARED  = $(filter-out $(PLUGINS) engine/score.% engine/train/% engine/gguf/gguf_write.% engine/model/mix.% engine/model/random.% engine/kernels/quants_fit.c \
              engine/kernels/answers.% $(foreach f,atomic err fetch file filekind here quote strict suggest,engine/base/$(f).%),$(sort $(shell find engine -name '*.[ch]' -o -name '*.cc' -o -name 'pretokenizers.def'))) \
            experiments/sweep/cell.c experiments/sweep/cell_rows.c experiments/sweep/cost.c
digest = $(shell cat $(1) | sha256sum | cut -c1-16)
define SOURCES_TEXT
SOURCE("engine", "$(call digest,$(SHARED))")
$(foreach f,$(PLUGINS),SOURCE("$(f)", "$(call digest,$(f))")
)
endef
$(B)/sources.h: FORCE
	$(call write_if_changed,$(SOURCES_TEXT))

compile_commands.json: deps-lint FORCE
	bear --output $@ -- $(MAKE) -B config=debug all

clean:
	rm -rf build harness compile_commands.json

# ---- what must be installed --------------------------------------------------------------------------
DEPS      := gcc g++ make pkg-config git libgsl-dev libhdf5-dev libpcg-cpp-dev libinih-dev libjansson-dev \
             libxxhash-dev libssl-dev libpcre2-dev libutf8proc-dev zlib1g-dev libopenblas0 \
             node-d3-axis node-d3-scale node-d3-selection node-d3-shape
DEPS_TEST := libcriterion-dev python3-pytest python3-pytest-xdist python3-scipy python3-h5py python3-jinja2 python3-pandas python3-matplotlib python3-nbconvert \
             python3-nbformat python3-ipykernel hdf5-tools curl
DEPS_BROWSER := chromium chromium-driver python3-selenium python3-pil
DEPS_LINT := clang libclang-rt-dev libomp-dev clang-format clang-tidy cppcheck bear
DEPS_SLURM := slurmctld slurmd slurm-client munge
DEPS_PORTABILITY := gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
DEPS_DEB := debhelper dpkg-dev dh-python python3 fakeroot
DEPS_PAPER := latexmk texlive-latex-recommended texlive-latex-extra python3-h5py python3-pandas python3-matplotlib

# Installs what dpkg does not know as installed; elsewhere says what to look for.
define install_packages
@missing=; for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'install ok' || missing="$$missing $$p"; done; \
if [ -z "$$missing" ]; then :; \
elif ! command -v apt-get >/dev/null; then \
  echo "Not a Debian system: please install the equivalents of: $(1)"; \
else \
  echo "Installing:$$missing"; sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
  $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
fi
endef

deps:
	$(call install_packages,$(DEPS))
deps-test: deps
	$(call install_packages,$(DEPS_TEST))
deps-slurm: deps-test
	$(call install_packages,$(DEPS_SLURM))
deps-browser: deps-test
	$(call install_packages,$(DEPS_BROWSER))
deps-lint: deps-test
	$(call install_packages,$(DEPS_LINT))
deps-portability: deps
	$(call install_packages,$(DEPS_PORTABILITY))
deps-deb: deps
	$(call install_packages,$(DEPS_DEB))
deps-paper: deps
	$(call install_packages,$(DEPS_PAPER))

# ---- jobs --------------------------------------------------------------------------------------------
run: deps
	@$(MAKE) harness
	./harness sweep experiments/configs/quick.ini

# The embedded model; stopped, it goes on where it was. The same machine gives the same file. OpenBLAS of Debian 12 does
# not know CPUs younger than itself and runs them at half their speed, so those with AVX-512 are told to use it.
AVX512 := $(shell grep -qs avx512dq /proc/cpuinfo && echo 'OPENBLAS_CORETYPE=$${OPENBLAS_CORETYPE:-SkylakeX}')
model: deps
	@$(MAKE) harness
	@mkdir -p build
	$(AVX512) OMP_WAIT_POLICY=passive ./harness train datasets/models/copier.ini
	cp build/model/copier.gguf datasets/models/copier.gguf

# HARNESS_DATA names a folder of public data for the conformance tests; without it they are skipped.
test: deps-test
	@$(MAKE) all harness
	@$(MAKE) unit integration

# Tests run with more threads than there are processors; one that waits must not keep another from its work.
unit integration portability: export OMP_WAIT_POLICY ?= passive

# A leak is found after Criterion has counted a test as passed: what the sanitizers wrote decides as well.
UNITTESTS ?= */*
unit: $(B)/unit-tests
	@rm -f $(B)/sanitizer.log.*
	@echo "$(B)/unit-tests"
	@set -o pipefail; ASAN_OPTIONS=$$ASAN_OPTIONS:log_path=$(CURDIR)/$(B)/sanitizer.log \
	  $(B)/unit-tests --verbose=1 --filter '$(UNITTESTS)' 2>&1 | grep -vE '^\[(RUN |PASS)|: Test is disabled$$' | \
	  awk '{ print } /Tested: 0 / { none = 1 } END { if (none) print "no test has such a name: $(UNITTESTS)"; exit none }'
	@! cat $(B)/sanitizer.log.* 2>/dev/null

PYTESTS ?= tests/integration tests/conformance tests/lint
# A process for each processor. Those of one file run in one, which shares what they share.
integration: $(B)/harness $(B)/peer_stats
	HARNESS=$(CURDIR)/$(B)/harness $(PYTHON) -m pytest -q -p no:cacheprovider -n $(JOBS) --dist loadfile $(PYTESTS)

# A cluster of this machine: slurmctld, slurmds and munged of its own, killed tasks, one hash. Prints what happens.
slurm-test: deps-slurm $(B)/harness
	HARNESS=$(CURDIR)/$(B)/harness $(PYTHON) -m pytest -q -s -p no:cacheprovider tests/integration/test_slurm.py

# The same numbers from every instruction set of this machine and from AArch64 under qemu.
portability: deps-portability $(B)/logits_hash
	tests/portability/run.sh $(B)/logits_hash $(B)/portability

$(B)/logits_hash: $(B)/tests/portability/logits_hash.o $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(B)/bench_kernels $(B)/bench_matching $(B)/bench_coverage $(B)/bench_best_set: $(B)/bench_%: $(B)/tests/bench/%.o $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# One program on our engine and the same on llama.cpp, which the scripts in tests/peers compare (checked with v0.5.0 of September
# 2026). LLAMA_CPP holds its sources, and build/bin there its libraries: `cmake -B build && cmake --build build --target llama` builds
# them, and `tests/peers/npm_llama_cpp.sh DIR` fetches both from npm.
LLAMA_LIBS  = $(LLAMA_CPP)/build/bin
llama_so    = $(foreach l,$(1),$(or $(firstword $(wildcard $(LLAMA_LIBS)/$l.so $(LLAMA_LIBS)/$l.v*.so)),\
                $(error make peer finds no $l.so in $(LLAMA_LIBS))))
LLAMA_SO    = $(call llama_so,libllama libggml libggml-base)
peer: $(B)/peer_ours $(B)/peer_llama_cpp $(B)/peer_drafts $(B)/peer_complete
$(B)/peer_ours $(B)/peer_llama_cpp: $(B)/peer_%: $(B)/tests/peers/main.o $(B)/tests/peers/requests.o $(B)/tests/peers/%.o $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PEER_LIBS) $(LIBS)
$(B)/peer_llama_cpp: PEER_LIBS = $(LLAMA_SO) -Wl,-rpath,$(abspath $(LLAMA_LIBS))

# Always anew: another LLAMA_CPP may be meant.
$(B)/tests/peers/llama_cpp.o: FORCE
$(B)/tests/peers/llama_cpp.o: FILE_FLAGS = $(if $(LLAMA_CPP),,$(error make peer needs LLAMA_CPP=path/to/llama.cpp)) \
  $(LLAMA_HEADERS) -DPEER_LIBRARIES='"$(abspath $(LLAMA_LIBS))"'
LLAMA_HEADERS = -isystem $(LLAMA_CPP)/include -isystem $(LLAMA_CPP)/ggml/include

# Our statistics beside SciPy's and R's, which tests/peers/compare_stats.py calls.
$(B)/peer_stats: $(B)/tests/peers/stats.o $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# Our policies beside the drafters in common/, whose sources are compiled; what else they need comes from libllama-common, which npm
# has, and `cmake --build build --target llama-common` builds.
PEER_DRAFTERS := $(patsubst %,$(B)/tests/peers/common/%.o,speculative ngram-cache ngram-map ngram-mod)
$(B)/peer_drafts: $(B)/tests/peers/drafts.o $(B)/tests/peers/drafts_llama_cpp.o $(PEER_DRAFTERS) $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call llama_so,libllama-common) $(LLAMA_SO) -Wl,-rpath,$(abspath $(LLAMA_LIBS)) $(LIBS)
# llama.cpp's completions with those drafters, for an audit. Its libraries come first: some functions of both are named alike.
$(B)/peer_complete: $(addprefix $(B)/tests/peers/,complete.o requests.o llama_cpp.o drafts_llama_cpp.o) $(PEER_DRAFTERS) $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(call llama_so,libllama-common) $(LLAMA_SO) \
	  -Wl,-rpath,$(abspath $(LLAMA_LIBS)) $(LIB) $(LIBS)
$(PEER_DRAFTERS): $(B)/tests/peers/common/%.o: FORCE
	@mkdir -p $(@D)
	$(say) CXX $(LLAMA_CPP)/common/$*.cpp
	$(Q)$(CXX) $(ALL_CXXFLAGS) -w $(LLAMA_HEADERS) -c -o $@ $(LLAMA_CPP)/common/$*.cpp
$(B)/tests/peers/drafts_llama_cpp.o: FORCE
$(B)/tests/peers/drafts_llama_cpp.o: private FIRST_FLAGS += $(LLAMA_HEADERS) -isystem $(LLAMA_CPP)/common

# Our policy suffix beside ik_llama.cpp's drafter: IK_LLAMA_CPP holds its sources (checked with 8337e4c of August 2026). Its trie is
# compiled, and the two structs around it are cut out of speculative.cpp; nothing else of it is needed.
IK_COMMON  = $(or $(IK_LLAMA_CPP),$(error make peer_ik needs IK_LLAMA_CPP=path/to/ik_llama.cpp))/common
IK_HEADERS = -isystem $(IK_COMMON) -isystem $(IK_LLAMA_CPP)/include -isystem $(IK_LLAMA_CPP)/ggml/include -isystem $(IK_LLAMA_CPP)/src \
  -isystem $(IK_LLAMA_CPP)/vendor
peer_ik: $(B)/peer_drafts_ik
$(B)/peer_drafts_ik: $(addprefix $(B)/tests/peers/,drafts.o drafts_ik_llama_cpp.o ik_suffix_tree.o) $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
# Always anew, as above.
$(B)/tests/peers/ik_suffix_tree.o $(B)/tests/peers/drafts_ik_llama_cpp.o: FORCE
	@mkdir -p $(@D)
	$(say) CXX $@
	$(Q)sed -n '/^struct common_speculative_state {/,/^};/p; /^struct common_speculative_state_suffix /,/^};/p' \
	  $(IK_COMMON)/speculative.cpp >$(@D)/ik_suffix_state.inc
	$(Q)$(CXX) -std=c++20 -O2 -w -I. -I$(@D) $(IK_HEADERS) -c -o $@ \
	  $(if $(filter %_tree.o,$@),-include tests/peers/tie_order_map.h $(IK_COMMON)/suffix-tree.cpp,tests/peers/drafts_ik_llama_cpp.cc)

# Arctic Inference's suffix trees beside ours: ARCTIC holds its sources (checked with 9d46438 of June 2026), which are compiled as its
# own build does. peers_suffix_trees compares drafts, bench_suffix_trees times.
peer_arctic: $(B)/peers_suffix_trees $(B)/bench_suffix_trees
$(B)/peers_suffix_trees $(B)/bench_suffix_trees: $(B)/%_suffix_trees: \
  $(B)/tests/%/suffix_trees.o $(addprefix $(B)/tests/peers/,suffix_requests.o arctic.o arctic_tree.o) $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# Always anew: another ARCTIC may be meant.
ARCTIC_TREE = $(or $(ARCTIC),$(error make peer_arctic needs ARCTIC=path/to/ArcticInference))/csrc/suffix_decoding
$(B)/tests/peers/arctic.o $(B)/tests/peers/arctic_tree.o: FORCE
	@mkdir -p $(@D)
	$(say) CXX $@
	$(Q)$(CXX) -std=c++20 -O3 -DNDEBUG -I. -isystem $(ARCTIC_TREE) -c -o $@ \
	  $(if $(filter %_tree.o,$@),$(ARCTIC_TREE)/suffix_tree.cc,tests/peers/arctic.cc)

include tests/fuzz/fuzz.mk
include packaging/install.mk packaging/dist.mk

# What an unpacked copy holds, where there is no repository.
SOURCES := $(or $(shell $(GIT) ls-files '*.c' '*.h' 2>/dev/null),\
             $(sort $(shell find analysis datasets engine experiments store tests -name '*.[ch]')))
LINTED  := $(filter-out tests/%,$(filter %.c,$(SOURCES)))
format:
	clang-format -i $(SOURCES)

# -k: all that is wrong, not what is wrong in the first file.
lint: deps-lint
	@$(PYTHON) tests/lint/includes.py
	@clang-format --dry-run -Werror $(SOURCES)
	@cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
	  --suppressions-list=.cppcheck -D__x86_64__ -I. $(LINTED)
	@$(MAKE) -k --output-sync=target $(TIDY)

# clang-tidy takes one file at a time: with several, version 14 finds va_lists that are not there. Nearly all of its time are the
# paths that the analyzer follows, seconds for each file, so a file that was clean is not looked at again before it, a header or a
# flag changes. The largest come first: one that is left over at the end would have a processor for itself.
TIDY = $(patsubst %.c,$(B)/tidy/%.clean,$(shell ls -S $(LINTED)))
TIDY_FLAGS = $(filter-out -fopenmp,$(ALL_CFLAGS)) -DKERNEL_ISA=portable
$(B)/tidy/%.clean: %.c .clang-tidy $(B)/tidy/version $(B)/flags | $(B)/version.h $(B)/sources.h
	@mkdir -p $(@D)
	$(say) TIDY $<
	@$(CC) $(TIDY_FLAGS) -MM -MP -MT $@ -MF $(@:.clean=.d) $<
	$(Q)clang-tidy --quiet --warnings-as-errors='*' $< -- $(TIDY_FLAGS) 2>&1 | grep -vE '^[0-9]+ warnings? generated' ; \
	  test "$${PIPESTATUS[0]}" -eq 0
	@touch $@
$(B)/tidy/version: FORCE
	$(call write_if_changed,$(shell clang-tidy --version))

# All evidence; what is done is kept. STEPS='quick lossless' does these only; experiments/reproduce.py -n lists them. Status 1: a
# step failed, or results are not those of results/README.md.
reproduce: deps-test deps-paper
	@$(MAKE) harness
	@$(PYTHON) experiments/reproduce.py $(STEPS)

# The paper, from results that must be there: it names those that are missing, and the commands that make them.
paper: deps-paper
	@$(MAKE) harness
	@$(MAKE) -C paper PYTHON=$(PYTHON)

# Each notebook, executed over RESULTS (default: the main job's), as a page in build/notebooks.
notebooks: deps-test
	@$(MAKE) harness
	$(if $(RESULTS),,@$(MAKE) results/quick.h5)
	RESULTS=$(abspath $(or $(RESULTS),results/quick.h5)) $(PYTHON) -m nbconvert --execute --to html \
	  --output-dir build/notebooks analysis/*.ipynb

# The picture of the README: the main job's report.
report-picture: deps-browser
	@$(MAKE) harness
	$(if $(RESULTS),,@$(MAKE) results/quick.h5)
	@mkdir -p build
	./harness report $(or $(RESULTS),results/quick.h5) -o build/report.html
	$(PYTHON) analysis/report/picture.py build/report.html analysis/report/report.png

# Only when missing: a sweep is run again by `make run`.
results/quick.h5 results/replay.h5: results/%.h5:
	./harness sweep experiments/configs/$*.ini

-include $(shell find $(B) -name '*.d' 2>/dev/null)
