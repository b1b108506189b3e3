# make run     installs what is missing, builds, runs the main job and prints its table
# make test    installs what is missing, builds and runs all tests
# make         builds ./harness; config=release|debug|sanitize|portable puts objects into build/$(config)
# make model    trains the embedded model again, from nothing but this folder: about an hour and three quarters on two cores
# Others: unit integration portability peer fuzz deps lint format paper notebooks install clean compile_commands.json - each says below what it does.

SHELL := /bin/bash
config ?= release
PREFIX ?= /usr/local
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
OPT_fuzz     := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
OPT_sanitize := -O2 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
OPT := $(OPT_$(config))
ifeq ($(OPT),)
$(error config=$(config) is unknown (release, debug, sanitize, fuzz or portable))
endif
# -fno-trapping-math is there twice: clang takes -fno-unsafe-math-optimizations for -ftrapping-math, and warns of one that follows it alone.
STRICT := $(OPT) -fno-trapping-math -fno-fast-math -fno-unsafe-math-optimizations -fno-associative-math -fno-reciprocal-math \
          -fno-finite-math-only -fsigned-zeros -fno-rounding-math -fno-math-errno -fno-trapping-math -ffp-contract=off -fopenmp
PACKAGES := gsl hdf5 inih jansson libxxhash libcrypto libpcre2-8 libutf8proc zlib
# Not evaluated before a compiler runs: `make deps` must work without them.
PKG_CFLAGS  = $(shell pkg-config --cflags $(PACKAGES))
PKG_LIBS    = $(shell pkg-config --libs $(PACKAGES))
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
ifeq ($(ARCH)-$(filter portable,$(config)),x86_64-)
ISAS += avx2 avx512 avx512bf16
else ifeq ($(ARCH)-$(filter portable,$(config)),aarch64-)
ISAS += neon
endif
# ISA_NAME is what kernels go by, not what the compiler may use: that can be more.
ISA_FLAGS_avx2   := -DISA_AVX2 -mavx2 -mfma -mf16c
ISA_FLAGS_avx512 := -DISA_AVX512 -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mprefer-vector-width=512
ISA_FLAGS_avx512bf16 := $(ISA_FLAGS_avx512) -DISA_AVX512BF16 -mavx512bf16
ISA_FLAGS_neon   := -DISA_NEON -march=armv8.2-a+dotprod

objects = $(patsubst %.c,$(B)/%.o,$(1))
LIB_OBJ := $(call objects,$(ENGINE) $(KERNELS) $(STORE) $(DATASETS) $(ANALYSIS) $(EXPERIMENTS)) $(B)/engine/base/rng.o \
           $(if $(wildcard engine/kernels/generic.c),$(ISAS:%=$(B)/engine/kernels/generic_%.o))
LIB     := $(B)/libharness.a

.DEFAULT_GOAL := harness
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all harness deps deps-test deps-lint deps-paper run model test unit integration portability peer fuzz lint format install clean paper notebooks FORCE

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
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs criterion) $(LIBS)

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

# Who built this, from what: goes into every results file. The commit is this folder's, not that of a repository around it.
GIT    := env -u GIT_DIR -u GIT_WORK_TREE -u GIT_INDEX_FILE git
COMMIT  = $(shell up=$$($(GIT) rev-parse --show-cdup 2>/dev/null) && [ -z "$$up" ] && \
            $(GIT) describe --always --dirty --abbrev=40 --exclude '*' 2>/dev/null || echo unknown)
c_string = "$(subst ",\",$(subst \,\\,$(strip $(1))))"
define VERSION_TEXT
#define BUILD_COMMIT $(call c_string,$(COMMIT))
#define BUILD_COMPILER $(call c_string,$(COMPILER))
#define BUILD_FLAGS $(call c_string,$(ALL_CFLAGS))
#define BUILD_USER_FLAGS $(call c_string,$(CFLAGS) $(CXXFLAGS) $(LDFLAGS))
endef
$(B)/experiments/sweep/provenance.o: $(B)/version.h $(B)/sources.h
$(B)/version.h: FORCE
	$(call write_if_changed,$(VERSION_TEXT))

# Digests of the sources that can change a decoded token: of each policy, rule and target, and of what all cells share.
# Not in it: what only lists them, only checks, only writes models, or only handles files, names and messages, and the
# rest of the program.
PLUGINS = $(shell grep -lE '^const (policy|rule|target)_ops [a-z0-9_]+ = ' engine/policies/*.c engine/rules/*.c engine/target/*.c)
SHARED  = $(filter-out $(PLUGINS) engine/train/% engine/gguf/gguf_write.% engine/model/mix.% engine/model/random.% engine/kernels/quants_fit.c \
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

install: harness
	install -D -m 755 $(B)/harness $(DESTDIR)$(PREFIX)/bin/harness

clean:
	rm -rf build harness compile_commands.json

# ---- what must be installed --------------------------------------------------------------------------
DEPS      := gcc g++ make pkg-config git libgsl-dev libhdf5-dev libpcg-cpp-dev libinih-dev libjansson-dev \
             libxxhash-dev libssl-dev libpcre2-dev libutf8proc-dev zlib1g-dev libopenblas0
DEPS_TEST := libcriterion-dev python3-pytest python3-pytest-xdist python3-h5py python3-jinja2 python3-pandas python3-matplotlib python3-nbconvert \
             python3-nbformat python3-ipykernel hdf5-tools curl
DEPS_LINT := clang libclang-rt-dev libomp-dev clang-format clang-tidy cppcheck bear
DEPS_PORTABILITY := gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
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
deps-lint: deps-test
	$(call install_packages,$(DEPS_LINT))
deps-portability: deps
	$(call install_packages,$(DEPS_PORTABILITY))
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
integration: $(B)/harness
	HARNESS=$(CURDIR)/$(B)/harness $(PYTHON) -m pytest -q -p no:cacheprovider -n $(JOBS) --dist loadfile $(PYTESTS)

# The same numbers from every instruction set of this machine and from AArch64 under qemu.
portability: deps-portability $(B)/logits_hash
	tests/portability/run.sh $(B)/logits_hash $(B)/portability

$(B)/logits_hash: $(B)/tests/portability/logits_hash.o $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(B)/bench_kernels: $(B)/tests/bench/kernels.o $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# One program on our engine and the same on llama.cpp, which the scripts in tests/peers compare (checked with v0.5.0 of September
# 2026). LLAMA_CPP holds its sources, and build/bin there its libraries: `cmake -B build && cmake --build build --target llama` builds
# them, and `tests/peers/npm_llama_cpp.sh DIR` fetches both from npm.
LLAMA_LIBS  = $(LLAMA_CPP)/build/bin
LLAMA_SO    = $(foreach l,libllama libggml libggml-base,$(or $(firstword $(wildcard $(LLAMA_LIBS)/$l.so $(LLAMA_LIBS)/$l.v*.so)),\
                $(error make peer finds no $l.so in $(LLAMA_LIBS))))
peer: $(B)/peer_ours $(B)/peer_llama_cpp
$(B)/peer_%: $(B)/tests/peers/main.o $(B)/tests/peers/%.o $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PEER_LIBS) $(LIBS)
$(B)/peer_llama_cpp: PEER_LIBS = $(LLAMA_SO) -Wl,-rpath,$(abspath $(LLAMA_LIBS))

# Always anew: another LLAMA_CPP may be meant.
$(B)/tests/peers/llama_cpp.o: FORCE
$(B)/tests/peers/llama_cpp.o: FILE_FLAGS = $(if $(LLAMA_CPP),,$(error make peer needs LLAMA_CPP=path/to/llama.cpp)) \
  -isystem $(LLAMA_CPP)/include -isystem $(LLAMA_CPP)/ggml/include -DPEER_LIBRARIES='"$(abspath $(LLAMA_LIBS))"'

# libFuzzer, a program for each tests/fuzz/fuzz_NAME.c, run for FUZZ_SECONDS. What it finds it writes into build/fuzz.
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60
fuzz: deps-lint
	@$(MAKE) config=fuzz CC=clang CXX=clang++ $(FUZZERS)
	$(PYTHON) tests/fuzz/seeds.py build/fuzz/seeds
	@for f in $(FUZZERS); do mkdir -p $$f.corpus && \
	  $$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -artifact_prefix=build/fuzz/ $$f.corpus build/fuzz/seeds || exit 1; done

ifeq ($(config),fuzz)
$(FUZZERS): build/fuzz/%: build/fuzz/tests/fuzz/fuzz_%.o $(LIB)
	$(say) LINK $@
	$(Q)$(CC) -fsanitize=fuzzer $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
endif

# What an unpacked copy holds, where there is no repository.
SOURCES := $(or $(shell $(GIT) ls-files '*.c' '*.h' 2>/dev/null),\
             $(sort $(shell find analysis datasets engine experiments store tests -name '*.[ch]')))
LINTED  := $(filter-out tests/%,$(filter %.c,$(SOURCES)))
format:
	clang-format -i $(SOURCES)

# clang-tidy takes one file at a time: with several, version 14 finds va_lists that are not there.
lint: deps-lint
	@$(PYTHON) tests/lint/includes.py
	@$(MAKE) $(B)/version.h $(B)/sources.h
	@clang-format --dry-run -Werror $(SOURCES)
	@cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
	  --suppressions-list=.cppcheck -D__x86_64__ -I. $(LINTED)
	@printf '%s\n' $(LINTED) | xargs -P2 -I{} clang-tidy --quiet --warnings-as-errors='*' {} -- \
	  $(filter-out -fopenmp,$(ALL_CFLAGS)) -DKERNEL_ISA=portable 2>&1 | grep -vE '^[0-9]+ warnings? generated' ; \
	  test "$${PIPESTATUS[1]}" -eq 0

# Tables, figures and numbers of the paper come from results/llma_rag.h5 when there, else from our own records, replayed.
paper: deps-paper
	@$(MAKE) harness
	@$(MAKE) results/replay.h5
	@$(MAKE) -C paper PYTHON=$(PYTHON)

# Each notebook, executed over RESULTS (default: the main job's), as a page in build/notebooks.
notebooks: deps-test
	@$(MAKE) harness
	$(if $(RESULTS),,@$(MAKE) results/quick.h5)
	RESULTS=$(abspath $(or $(RESULTS),results/quick.h5)) $(PYTHON) -m nbconvert --execute --to html \
	  --output-dir build/notebooks analysis/*.ipynb

# Only when missing: a sweep is run again by `make run`.
results/quick.h5 results/replay.h5: results/%.h5:
	./harness sweep experiments/configs/$*.ini

-include $(shell find $(B) -name '*.d' 2>/dev/null)
