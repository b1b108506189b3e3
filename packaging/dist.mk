# Tarballs and Debian packages; included by the Makefile.
#
# The version is HARNESS_VERSION in experiments/sweep/provenance.h; tests/integration/test_install.py compares the others
# (CHANGELOG.md, CITATION.cff, debian/changelog) with it.
VERSION = $(shell sed -n 's/^\#define HARNESS_VERSION "\(.*\)"/\1/p' experiments/sweep/provenance.h)
DIST    = harness-$(VERSION)

# What is committed, with the commit in packaging/commit: the same bytes for the same commit.
.PHONY: dist deb deb-source
dist:
	@$(GIT) rev-parse --verify -q HEAD >/dev/null && [ -z "$$($(GIT) rev-parse --show-cdup)" ] || \
	  { echo "make dist packs a commit, and this folder is not a git repository" >&2; exit 1; }
	@[ -z "$$($(GIT) status --porcelain)" ] || echo "make dist: what is not committed is left out" >&2
	@mkdir -p build
	$(Q)rm -f build/$(DIST).tar.gz && $(GIT) archive --format=tar --prefix=$(DIST)/ -o build/$(DIST).tar HEAD && \
	  gzip -9 -n build/$(DIST).tar || { rm -f build/$(DIST).tar build/$(DIST).tar.gz; exit 1; }
	@echo build/$(DIST).tar.gz

# Packages from that tarball, in build/deb. The flags and job server of this make are not for the one that builds them.
DPKG_BUILD = env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CC -u CXX dpkg-buildpackage -us -uc
define build_deb
rm -rf build/deb/$(DIST)
mkdir -p build/deb
tar -C build/deb -xf build/$(DIST).tar.gz
cd build/deb/$(DIST) && $(DPKG_BUILD) $(1)
@ls build/deb/*.$(2)
endef
deb: deps-deb dist
	$(call build_deb,-b,deb)
deb-source: deps-deb dist
	$(call build_deb,-S,dsc)
