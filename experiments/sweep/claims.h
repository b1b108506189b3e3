/* claims.h - who runs which part of a sweep, where processes share its folder.
 *
 * A claim is a file in DIR/claims, which only one process can link there: no file locks, so that a folder on NFS is
 * enough. It names its process, which touches it while it holds it. Claims save work and decide nothing else: should
 * two processes run the same trials, both get the same.
 *
 *  L1  UNIT.0 is the first claim of a unit. Once it has ended, UNIT.1 can be made, then UNIT.2, and so on. The newest
 *      decides, and only claims_clear() removes any: each number is given out once, so that of those who see that a
 *      claim has ended only one makes the next, however late the others come.
 *  L2  A claim has ended when its process gave it back (which it writes there), or is known to be gone (it was on this
 *      machine since the same boot, and no process has its number and its start), or when it was not touched for the
 *      lease that it names.
 *  L3  Ages are differences of times that the file server gives: the claim's, and that of a file touched just now in
 *      the same folder. No machine's clock is compared with another's. What has a time that cannot be, because a clock
 *      was set, ends when a lease has passed without a touch by this process's own clock.
 *  L4  A claim that cannot be read, or says nothing, has no known process, and the usual lease.
 */
#ifndef EXPERIMENTS_CLAIMS_H
#define EXPERIMENTS_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/err.h"

enum { CLAIMS_LEASE = 90, CLAIMS_LONGEST = 86400 }; /* seconds; a claim is touched six times in a lease */

typedef struct claims claims;

typedef enum {
    CLAIM_MINE,    /* it is this process's now */
    CLAIM_OTHERS,  /* another process has it, and was seen to be alive */
    CLAIM_UNCLEAR, /* another process has it, and may have died: ask again */
    CLAIM_FAILED,  /* no claim could be made; the error says why */
} claim_state;

/* What this process saw when it last tried a claim that another one holds. Zeroed: it has not tried yet. */
typedef struct {
    int64_t  touched;    /* its file's time, ns */
    uint64_t seen_ns;    /* when that was first seen, by this process's clock; 0: never */
    unsigned generation; /* of the claim */
} claim_watch;

/* For one process, or one forked worker: it holds one claim at a time. Makes DIR/claims. A thread touches the claim. */
claims *claims_open(const char *dir, unsigned lease, err *e);

/* Gives back what it holds. */
void claims_close(claims *c);

/* Asks for a unit, a name without slashes. Without `seen`, what another process has claimed is CLAIM_UNCLEAR, also
 * where its process is gone. */
claim_state claims_take(claims *c, const char *unit, claim_watch *seen, err *e);

/* Gives back the claim that was taken last, if there is one. */
void claims_release(claims *c);

/* The same question without taking it: who has it, as "HOST, process 12, Slurm job 7_3", into `who`. False when nobody
 * does, or only one that has ended. */
bool claims_held(claims *c, const char *unit, char *who, size_t size);

/* Removes all claims: of a sweep whose cells are all finished. Errors are ignored: nothing depends on it. */
void claims_clear(const char *dir);

#endif
