/* Steps the system clock, but for one process: preloaded, it adds an offset to everything that shows CLOCK_REALTIME, and
   waits that last until a time on that clock follow its steps, as the kernel has them do. The offset, in nanoseconds, is
   the first 8 bytes of the file that STEPPED_CLOCK names; it may change at any time. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define S 1000000000LL
#define SLICE (20 * 1000000LL) /* after which a wait looks at the clock again */
#define MONOTONIC_CONDITION 2  /* in __wrefs, as glibc keeps it since 2.25 */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static volatile int64_t *offset;

__attribute__((constructor)) static void map_offset(void)
{
    const char *path = getenv("STEPPED_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *mapped = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED)
        offset = mapped;
}

static int64_t ns_of(const struct timespec *t) { return t->tv_sec * S + t->tv_nsec; }

static struct timespec of_ns(int64_t ns) { return (struct timespec){ns / S, ns % S}; }

static int64_t true_ns(void)
{
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    return ns_of(&now);
}

static int64_t shown_ns(void) { return true_ns() + (offset ? *offset : 0); }

/* The next time, on the true clock, at which to look again; 0 once the time is there. */
static struct timespec next_look(const struct timespec *until)
{
    int64_t left = ns_of(until) - shown_ns();
    return of_ns(left <= 0 ? 0 : true_ns() + (left < SLICE ? left : SLICE));
}

#define IN_SLICES(call)                      \
    for (;;) {                               \
        struct timespec look = next_look(until); \
        int result = (call);                 \
        if (!is_over(result) || look.tv_sec == 0) \
            return result;                   \
    }

int clock_gettime(clockid_t id, struct timespec *now)
{
    int result = syscall(SYS_clock_gettime, id, now);
    if (result == 0 && offset && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        *now = of_ns(ns_of(now) + *offset);
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    int64_t ns = shown_ns();
    *now = (struct timeval){ns / S, ns % S / 1000};
    return 0;
}

time_t time(time_t *now)
{
    time_t s = shown_ns() / S;
    if (now)
        *now = s;
    return s;
}

static int is_over(int result) { return result == ETIMEDOUT; }

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
    static __typeof__(&pthread_cond_timedwait) next;
    if (!next)
        next = NEXT(pthread_cond_timedwait);
    if (condition->__data.__wrefs & MONOTONIC_CONDITION)
        return next(condition, mutex, until);
    IN_SLICES(next(condition, mutex, &look))
}

int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until)
{
    static __typeof__(&pthread_mutex_timedlock) next;
    if (!next)
        next = NEXT(pthread_mutex_timedlock);
    IN_SLICES(next(mutex, &look))
}

int sem_timedwait(sem_t *semaphore, const struct timespec *until)
{
    static __typeof__(&sem_timedwait) next;
    if (!next)
        next = NEXT(sem_timedwait);
    for (;;) {
        struct timespec look = next_look(until);
        int result = next(semaphore, &look);
        if (result == 0 || errno != ETIMEDOUT || look.tv_sec == 0)
            return result;
    }
}

int clock_nanosleep(clockid_t id, int flags, const struct timespec *until, struct timespec *left)
{
    static __typeof__(&clock_nanosleep) next;
    if (!next)
        next = NEXT(clock_nanosleep);
    if (id != CLOCK_REALTIME || !(flags & TIMER_ABSTIME))
        return next(id, flags, until, left);
    for (;;) {
        struct timespec look = next_look(until);
        int result = next(id, flags, &look, left);
        if (result || look.tv_sec == 0)
            return result;
    }
}
