/* Preloaded into an agent under test: counts the calls that change the files of its journal, ends the process at one of
 * them, or lets them fail as a broken disk would. Everything but the journal's own files is left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char journal[4096];
static char control[4096];
static long boundaries, kill_at;
static int torn;

void disk_faults_arm(const char *journal_path, const char *control_path, long boundary, int tear) {
    snprintf(journal, sizeof journal, "%s", journal_path);
    snprintf(control, sizeof control, "%s", control_path);
    boundaries = 0;
    kill_at = boundary;
    torn = tear;
}

long disk_faults_boundaries(void) { return boundaries; }

static int is_journal(int fd) {
    char link[64], path[4096];
    if (!journal[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    size_t name = strlen(journal);
    return !strncmp(path, journal, name) && (!path[name] || !strcmp(path + name, "-wal"));
}

static int boundary(void) {
    if (++boundaries != kill_at) return 0;
    if (torn) return 1;
    kill(getpid(), SIGKILL);
    return 1;
}

/* The control file says which calls fail, `write` or `fsync`, and with which errno; where it is missing, none. */
static int fault(const char *kind) {
    char told[32], name[16];
    int number = 0;
    int fd = syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t length = syscall(SYS_read, fd, told, sizeof told - 1);
    syscall(SYS_close, fd);
    if (length <= 0) return 0;
    told[length] = 0;
    if (sscanf(told, "%15s %d", name, &number) != 2 || strcmp(name, kind)) return 0;
    errno = number;
    return 1;
}

static ssize_t written(int fd, const void *data, size_t size, off_t at, int positioned) {
    ssize_t result;
    if (!is_journal(fd))
        return positioned ? syscall(SYS_pwrite64, fd, data, size, at) : syscall(SYS_write, fd, data, size);
    if (fault("write")) return -1;
    if (boundary()) {
        syscall(SYS_pwrite64, fd, data, size / 2, at);
        kill(getpid(), SIGKILL);
    }
    result = positioned ? syscall(SYS_pwrite64, fd, data, size, at) : syscall(SYS_write, fd, data, size);
    if (boundary()) kill(getpid(), SIGKILL);
    return result;
}

ssize_t write(int fd, const void *data, size_t size) { return written(fd, data, size, 0, 0); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return written(fd, data, size, at, 1); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return written(fd, data, size, at, 1); }

static int synchronised(int fd, long number) {
    int result;
    if (!is_journal(fd)) return syscall(number, fd);
    if (fault("fsync")) return -1;
    if (boundary()) kill(getpid(), SIGKILL);
    result = syscall(number, fd);
    if (boundary()) kill(getpid(), SIGKILL);
    return result;
}

int fsync(int fd) { return synchronised(fd, SYS_fsync); }
int fdatasync(int fd) { return synchronised(fd, SYS_fdatasync); }

static int cut(int fd, off_t size) {
    int result;
    if (!is_journal(fd)) return syscall(SYS_ftruncate, fd, size);
    if (fault("write")) return -1;
    if (boundary()) kill(getpid(), SIGKILL);
    result = syscall(SYS_ftruncate, fd, size);
    if (boundary()) kill(getpid(), SIGKILL);
    return result;
}

int ftruncate(int fd, off_t size) { return cut(fd, size); }
int ftruncate64(int fd, off64_t size) { return cut(fd, size); }
