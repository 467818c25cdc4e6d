/* Lease and publish: may two executions of one task both deliver?
 *
 * A task is given to one execution after the other, each with a higher fence. Any worker may be stopped between
 * any two of its steps, for any time; its lease may run out and come back; a push arrives whenever it arrives.
 * The fence alone guards what is written to the coordinator. Two more guards are about the forge:
 *
 *   -DLEASE       a publication begins only while the lease is live by the worker's own clock
 *   -DONE_BRANCH  all executions push to one branch, by compare-and-swap, and only over an earlier one's work
 *
 * -DANYONE takes the last condition away: whoever is refused pushes over what it finds.
 *
 * Checked by tests/simulation/test_model.py. With both guards there is no violation, with the fence or the lease
 * alone there is. One branch alone is enough for what is asserted here; the lease keeps work from being thrown
 * away, because an execution that was given up does not move a branch under a reviewer's eyes.
 */

#define EXECUTIONS 3

#ifdef ONE_BRANCH
#define BRANCH(fence) 0
#else
#define BRANCH(fence) fence
#endif

byte granted = 0;                  /* executions so far; the newest has this fence */
byte live = 0;                     /* the fence that may write to the coordinator; 0 is nobody's */
byte completed = 0;                /* the fence of the execution that delivered; 0 is none yet */
bool lease[EXECUTIONS + 1];        /* live by its worker's own clock */
byte branch[EXECUTIONS + 1];       /* whose commit stands there; 0 is none */

/* The forge never holds two branches of the task, and what was delivered stays what it is. */
inline look(fence) {
    byte place = 0, branches = 0;
    do
    :: place <= EXECUTIONS -> branches = branches + (branch[place] != 0 -> 1 : 0); place++
    :: else -> break
    od;
    assert(branches <= 1);
    assert(completed == 0 || completed == fence);
    place = 0;
    branches = 0
}

proctype Worker(byte fence) {
    byte expected = 0;

    /* The agent works. Whoever is told that the execution is lost stops. */
#ifdef LEASE
    if
    :: lease[fence]
    :: live != fence -> goto ended
    fi;
#endif
    /* Here the worker may be stopped for longer than a lease: the push goes out afterwards. */
push:
#ifdef ONE_BRANCH
    if
    :: d_step { branch[0] == expected -> branch[0] = fence; look(fence) }
    :: atomic { branch[0] == fence -> skip }
    :: atomic { branch[0] != expected && branch[0] != fence ->
            /* Refused. The worker looks whose commit stands there; it may be another one by its next push. */
            if
#ifdef ANYONE
            :: expected = branch[0]; goto push
#else
            :: branch[0] < fence -> expected = branch[0]; goto push
#endif
            :: else -> goto ended
            fi
       }
    fi;
#else
    d_step { branch[BRANCH(fence)] = fence; look(fence) }
#endif
    /* The one last write is fenced. */
    atomic {
        if
        :: live == fence && completed == 0 -> completed = fence; assert(branch[BRANCH(fence)] == fence)
        :: else
        fi
    }
ended:
    skip
}

active proctype Coordinator() {
end:
    do
    :: atomic { live == 0 && completed == 0 && granted < EXECUTIONS ->
            granted++; live = granted; lease[granted] = true; run Worker(granted) }
    /* Lost: its worker's own lease, which began earlier, is over by then. */
    :: atomic { live != 0 && completed == 0 && !lease[live] -> live = 0 }
    od
}

active proctype Time() {
end:
    do
    :: atomic { live != 0 && lease[live] -> lease[live] = false }
    /* A heartbeat got through before the coordinator gave the execution up. */
    :: atomic { live != 0 && !lease[live] -> lease[live] = true }
    od
}
