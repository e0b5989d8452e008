# evenkeel: a testbed for DNS resolvers behind balancers.
#
#   make            build the three programs into build/bin
#   make demo       install what is missing, build, run the reference set-up, print its verdict
#   make check      everything tested: style, purity, unit, property, fuzz corpus, e2e, labs
#   make unit       only the tests in C, with and without sanitizers
#   make bench      ratios against peers; a table, and build/bench.json
#   make fidelity   virtual time against namespaces, in four scenarios: half an hour;
#                   FIDELITY="--netns 3 hang" for less, "--all --labs 4" for all that both engines run
#   make matrix     fault by policy by expectation, right and wrong, over 1,000 seeds: an hour of a
#                   processor; MATRIX="--seeds 100 --only kill" for less
#   make defects    what dnsdist once did wrong: each found by a scenario, most by search, too;
#                   DEFECTS="--seeds 10 --only expiry" for less
#   make fuzz       each fuzz target for FUZZ_SECONDS (10): executions, coverage, planted bugs
#   make tsan       the balancer under the thread sanitizer: load, console, web server and reloads at once;
#                   evenkeel replay with its second thread
#   make lint       clang's warnings, cppcheck, style
#   make deps       install what is missing through apt (make deps FOR=build: only for the demo)
#   make install    programs, scenarios, manual pages, a systemd unit under DESTDIR and PREFIX (/usr/local)
#   make golden     write golden verdicts anew and show what changed
#   make clean      remove build/
#
# Settings: CC=gcc|clang  MODE=release|debug|asan|tsan|defects  V=1 (show commands)
#           FUZZ="dns load" (only these targets)  ONLY="load" (only these benches)

MODE ?= release
PYTHON ?= /usr/bin/python3
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 10
ifeq ($(origin CC),default)
CC := gcc
endif
.DEFAULT_GOAL := all

B := build/$(MODE)-$(notdir $(CC))
PKGS := luajit jansson libpcap libnl-3.0 libnl-route-3.0 ldns libsodium zlib

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wcast-qual -Wstrict-prototypes \
        -Wmissing-prototypes -Wvla -Wundef -Wformat=2 -Wimplicit-fallthrough -Werror
COMMON := -std=c17 -D_GNU_SOURCE -I. -g -fno-omit-frame-pointer -ffp-contract=off -fno-math-errno \
          -pthread $(WARN)
# -g1 where only lines are wanted, in reports of sanitizers: a fifth less to compile.
FLAGS_release := -O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2
FLAGS_defects := $(FLAGS_release) -DEK_DEFECTS -g1
FLAGS_debug := -O0 -DEK_DEBUG
FLAGS_asan := -O1 -g1 -DEK_DEBUG -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan := -O1 -DEK_DEBUG -fsanitize=thread
FLAGS_fuzz := -O1 -DEK_DEBUG -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FLAGS_plant := $(FLAGS_fuzz) -DEK_PLANT
CFLAGS_ALL = $(COMMON) $(FLAGS_$(MODE)) $(CFLAGS)
# Found, the balancer has a web server; not found, it says that it lacks one. MICROHTTPD= leaves it out.
MICROHTTPD ?= $(shell pkg-config --exists libmicrohttpd 2>/dev/null && echo libmicrohttpd)
PKGS += $(MICROHTTPD)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null | sed 's/-I/-isystem /g') \
              $(if $(MICROHTTPD),-DEK_HAVE_MICROHTTPD)
LDFLAGS += -Wl,--as-needed
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm
TEST_LIBS := $(shell pkg-config --libs cmocka 2>/dev/null || echo -lcmocka)

# Rooms. Pure ones may leave nothing undefined but what tests/purity.py allows.
PURE := lib balancer/core recursor-stub/core sim/load/core sim/capture/core sim/info/core \
        sim/trace/core sim/replay/core sim/pcap/core sim/foreign/core
LIBS := lib/host balancer/config balancer/admin recursor-stub/config recursor-stub/answers sim/plan \
        sim/net sim/netns sim/virtual sim/load/shell sim/judge sim/report sim/seeds sim/search \
        sim/capture sim/info sim/trace sim/replay sim/pcap sim/foreign
# Files of other rooms that are held to the same, because pure rooms use them.
PURE_FILES := $(addprefix sim/net/,frame.c frame_make.c frame_sums.c icmp.c sum.c)
PURE_SRC := $(wildcard $(PURE:=/*.c)) $(PURE_FILES)
LIB_SRC := $(filter-out $(PURE_FILES),$(wildcard $(LIBS:=/*.c)))
PROGS := evenkeel $(if $(wildcard balancer/shell/*.c),balancer) \
         $(if $(wildcard recursor-stub/shell/*.c),recursor-stub)
SRC_evenkeel := $(wildcard sim/*.c)
SRC_balancer := $(wildcard balancer/shell/*.c)
SRC_recursor-stub := $(wildcard recursor-stub/shell/*.c)
# Those that take longest come first, so that no processor waits for them at the end.
UNIT_SRC := $(addprefix tests/,unit/test_judge_policy.c unit/test_judge.c unit/test_virtual_sabotage.c \
            prop/test_bal_prop.c unit/test_foreign.c prop/test_virtual_prop.c)
UNIT_SRC += $(filter-out $(UNIT_SRC),$(wildcard tests/unit/test_*.c tests/prop/test_*.c))
DEFECT_SRC := $(wildcard tests/defects/test_*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
BENCH_SRC := $(wildcard tests/bench/bench_*.c)

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
PURE_OBJ := $(call obj,$(PURE_SRC))
LIB_OBJ := $(call obj,$(LIB_SRC))
ARCHIVE := $(B)/libevenkeel.a
UNIT := $(patsubst tests/%.c,$(B)/tests/%,$(UNIT_SRC))
DEFECT := $(patsubst tests/%.c,$(B)/tests/%,$(DEFECT_SRC))
BENCH := $(patsubst tests/%.c,$(B)/tests/%,$(BENCH_SRC))
FUZZ_REPLAY := $(patsubst tests/%.c,$(B)/tests/%,$(FUZZ_SRC))
FUZZ_BIN := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ_SRC))
PROG_BIN := $(PROGS:%=$(B)/bin/%)
BIN := $(PROGS:%=build/bin/%)

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

all: $(if $(filter release,$(MODE)),$(BIN),$(PROG_BIN))

# Changed flags rebuild everything.
STAMP := $(B)/flags
ifneq ($(shell mkdir -p $(B); cat $(STAMP) 2>/dev/null),$(CC) $(CFLAGS_ALL) $(PKG_CFLAGS) $(LDFLAGS))
$(shell echo '$(CC) $(CFLAGS_ALL) $(PKG_CFLAGS) $(LDFLAGS)' > $(STAMP))
endif

$(B)/obj/%.o: %.c $(STAMP)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

$(ARCHIVE): $(PURE_OBJ) $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

define program
$(B)/bin/$(1): $(call obj,$(SRC_$(1))) $(ARCHIVE)
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $$@ $$^ $(PKG_LIBS)
endef
$(foreach p,$(PROGS),$(eval $(call program,$(p))))

$(BIN): build/bin/%: $(B)/bin/%
	@mkdir -p $(@D)
	$(Q)cp -f $< $@.new && mv $@.new $@

$(UNIT) $(DEFECT): $(B)/tests/%: $(B)/obj/tests/%.o $(ARCHIVE)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(TEST_LIBS) -lm

$(BENCH): $(B)/tests/%: $(B)/obj/tests/%.o $(ARCHIVE)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

# A fuzz target has LLVMFuzzerTestOneInput; tests/fuzz/replay.c is a plain main that feeds a corpus.
$(FUZZ_REPLAY): $(B)/tests/%: $(B)/obj/tests/%.o $(B)/obj/tests/fuzz/replay.o $(ARCHIVE)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

# The same targets under libFuzzer: MODE=fuzz, and MODE=plant with the planted bugs; clang only.
$(FUZZ_BIN): $(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(ARCHIVE)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)

.PHONY: all help demo check unit unit-run defects-run purity tidy fuzz fuzz-corpus fuzz-programs bench \
        bench-programs matrix defects fidelity tsan lint deps install golden golden-check clean e2e
.SECONDARY:

help:
	@sed -n '3,/^$$/s/^# \{0,1\}//p' Makefile

clean:
	$(Q)rm -rf build

purity: $(PURE_OBJ)
	$(Q)$(PYTHON) tests/purity.py $(PURE_OBJ)

tidy:
	$(Q)$(PYTHON) tests/tidy.py

unit-run: $(UNIT)
	$(Q)sh tests/run-unit $(UNIT)

unit:
	$(Q)$(MAKE) --no-print-directory unit-run
	$(Q)$(MAKE) --no-print-directory MODE=asan unit-run
	$(Q)$(MAKE) --no-print-directory MODE=defects defects-run

# Tests that need the defects of a test-only build.
defects-run: $(DEFECT)
	$(Q)sh tests/run-unit $(DEFECT)

# Tests with real processes; the labs among them run in namespaces. JOBS at once. Damaged traffic
# goes to the programs built with sanitizers.
JOBS ?= 3
# The one that takes longest comes first, so that no processor waits for it at the end.
E2E := tests/e2e/test_virtual.py
E2E += $(filter-out $(E2E),$(sort $(wildcard tests/e2e/test_*.py)))
e2e: all
	$(Q)$(MAKE) --no-print-directory MODE=asan all
	$(Q)$(MAKE) --no-print-directory MODE=debug build/debug-$(notdir $(CC))/bin/evenkeel
	$(Q)$(MAKE) --no-print-directory MODE=defects build/defects-$(notdir $(CC))/bin/evenkeel
	$(Q)$(PYTHON) -m pytest -q -n $(JOBS) --dist loadfile -p no:cacheprovider $(E2E)

# The tests of what threads share, with the programs built to find races.
tsan:
	$(Q)$(MAKE) --no-print-directory MODE=tsan all
	$(Q)EK_BIN=build/tsan-$(notdir $(CC))/bin EK_ROUNDS=30 EK_RELOADS=30 $(PYTHON) -m pytest -q \
	    -p no:cacheprovider tests/e2e/test_threads.py tests/e2e/test_reload.py \
	    tests/e2e/test_console.py tests/e2e/test_stress.py tests/e2e/test_replay.py -k "not virtual"

golden-check: all
	$(Q)$(PYTHON) tests/golden/run.py

golden: all
	$(Q)$(PYTHON) tests/golden/run.py --update

# One step after the other, so that what fails is the last thing on the screen; within a step as
# much at once as there are processors, unless -j says otherwise.
AT_ONCE = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
CHECK_STEPS := all tidy purity unit fuzz-corpus $(if $(wildcard tests/golden/run.py),golden-check) e2e
check:
	$(Q)sh .ci/deps build test
	$(Q)for step in $(CHECK_STEPS); do $(MAKE) --no-print-directory $(AT_ONCE) $$step || exit 1; done

demo:
	$(Q)sh .ci/deps build
	$(Q)$(MAKE) --no-print-directory $(AT_ONCE) all
	$(Q)build/bin/evenkeel run --again 4 --out runs/demo scenarios/blog.lua

# deps FOR="build test peers lint", or fewer.
FOR ?= build test peers lint
deps:
	$(Q)sh .ci/deps $(FOR)

lint: tidy
	$(Q)sh .ci/deps build lint
	$(Q)$(MAKE) --no-print-directory CC=clang all
	$(Q)cppcheck --quiet --std=c11 --inline-suppr --error-exitcode=1 -I. --enable=warning,performance \
	    --suppress=missingIncludeSystem $(PURE_SRC) $(LIB_SRC)
	$(Q)mandoc -T lint -W warning $(wildcard docs/*.[15])

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/evenkeel \
	    $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin
	cp -r scenarios pcaps $(DESTDIR)$(PREFIX)/share/evenkeel
	install -m 644 $(wildcard docs/*.1) $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 $(wildcard docs/*.5) $(DESTDIR)$(PREFIX)/share/man/man5
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's,@bindir@,$(PREFIX)/bin,' balancer/balancer.service \
	    > $(DESTDIR)$(PREFIX)/lib/systemd/system/balancer.service
	chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/balancer.service

fuzz-corpus-run: $(FUZZ_REPLAY)
	$(Q)sh tests/fuzz/replay-all $(FUZZ_REPLAY)

fuzz-corpus:
	$(Q)$(MAKE) --no-print-directory MODE=asan fuzz-corpus-run

# FUZZ="dns load" runs only these.
FUZZ ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(FUZZ_SRC))
fuzz-programs: $(FUZZ:%=$(B)/fuzz/fuzz_%)
fuzz:
	$(Q)$(MAKE) --no-print-directory CC=clang MODE=fuzz FUZZ="$(FUZZ)" fuzz-programs
	$(Q)$(MAKE) --no-print-directory CC=clang MODE=plant FUZZ="$(FUZZ)" fuzz-programs
	$(Q)$(PYTHON) tests/fuzz/run.py $(FUZZ_SECONDS) build/fuzz-clang build/plant-clang $(FUZZ)

bench-programs: all $(BENCH)
bench: bench-programs
	$(Q)$(PYTHON) tests/bench/run.py $(B)/tests/bench build/bench.json $(ONLY)

matrix: all
	$(Q)$(MAKE) --no-print-directory MODE=defects all
	$(Q)$(PYTHON) tests/matrix.py $(MATRIX)

defects: all
	$(Q)$(MAKE) --no-print-directory MODE=defects all
	$(Q)$(PYTHON) tests/defects.py $(DEFECTS)

fidelity: all
	$(Q)$(PYTHON) tests/fidelity.py $(FIDELITY)

-include $(wildcard $(B)/obj/*.d $(B)/obj/*/*.d $(B)/obj/*/*/*.d $(B)/obj/*/*/*/*.d)
