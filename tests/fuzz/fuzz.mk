# Fuzzers, checks for races, and valgrind; included by the Makefile.

# ---- libFuzzer -----------------------------------------------------------------------------------------
# A program for each tests/fuzz/fuzz_NAME.c, those that FUZZ names (default: all). Each runs its kept corpus first; they
# share FUZZ_SECONDS, and FUZZ_JOBS run at a time. What they find they write into build/fuzz/found.
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ ?= $(FUZZERS)
FUZZ_SECONDS ?= 300
FUZZ_JOBS ?= $(JOBS)
FUZZ_CC ?= clang
FUZZ_CXX ?= clang++
.PHONY: fuzz fuzz-afl fuzz-corpus tsan valgrind
fuzz: deps-lint
	@$(MAKE) config=fuzz CC="$(FUZZ_CC)" CXX="$(FUZZ_CXX)" $(FUZZ:%=build/fuzz/%) build/fuzz/seed_files
	$(PYTHON) tests/fuzz/run.py --seconds $(FUZZ_SECONDS) --jobs $(FUZZ_JOBS) $(FUZZ)

# Puts what is new in build/fuzz/corpus into the kept corpus, as few and small inputs as reach the same.
fuzz-corpus:
	$(PYTHON) tests/fuzz/run.py --keep $(FUZZ)

ifneq ($(filter fuzz afl,$(config)),)
FUZZ_LIB := $(call objects,$(patsubst %,tests/fuzz/%.c,fuzz vocabulary results) tests/fixtures/tiny_model.c tests/unit/results_sample.c)
$(FUZZERS:%=$(B)/%): $(B)/%: $(B)/tests/fuzz/fuzz_%.o $(FUZZ_LIB) $(LIB)
	$(say) LINK $@
	$(Q)$(CC) -fsanitize=fuzzer $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
$(B)/seed_files: $(B)/tests/fuzz/seed_files.o $(FUZZ_LIB) $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
endif

# ---- AFL++ ---------------------------------------------------------------------------------------------
# The same programs for AFL++'s driver (the package afl++): one, AFL, for FUZZ_SECONDS, from the seeds of `make fuzz`.
AFL ?= ini
fuzz-afl:
	$(call install_packages,afl++)
	@$(MAKE) config=afl CC=afl-clang-fast CXX=afl-clang-fast++ build/afl/$(AFL)
	@mkdir -p build/afl/found
	AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_UI=1 afl-fuzz -V $(FUZZ_SECONDS) -t 10000 -m none \
	  -i build/fuzz/seeds/$(AFL) $(addprefix -x ,$(wildcard build/fuzz/seeds/$(AFL).dict)) \
	  -o build/afl/found/$(AFL) -- build/afl/$(AFL)
	@! ls build/afl/found/$(AFL)/default/crashes/id* build/afl/found/$(AFL)/default/hangs/id* 2>/dev/null

# ---- races ---------------------------------------------------------------------------------------------
# What computes on several threads, under ThreadSanitizer. clang's OpenMP runtime tells it by archer what waits for what;
# gcc's does not.
ARCHER = $(firstword $(wildcard /usr/lib/llvm-*/lib/libarcher.so))
tsan: deps-lint
	@$(MAKE) config=tsan CC="$(FUZZ_CC)" CXX="$(FUZZ_CXX)" build/tsan/races
	OMP_TOOL_LIBRARIES=$(ARCHER) TSAN_OPTIONS=ignore_noninstrumented_modules=1 build/tsan/races

ifeq ($(config),tsan)
$(B)/races: $(call objects,tests/fuzz/races.c tests/fuzz/fuzz.c tests/fixtures/tiny_model.c) $(LIB)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
endif

# ---- memory that was never set -------------------------------------------------------------------------
# What the sanitizers do not see: commands under valgrind on a small model, with portable kernels, which it can run.
valgrind: deps-test
	$(call install_packages,valgrind)
	@$(MAKE) build/release/harness
	HARNESS_ISA=portable $(PYTHON) tests/fuzz/valgrind.py build/release/harness
