#define _GNU_SOURCE
#include "longtake_readiness.h"

#include <stddef.h>
#include <sys/epoll.h>

int longtake_readiness_make(void) { return epoll_create1(EPOLL_CLOEXEC); }

static int change(int instance, int operation, int descriptor, uint64_t id, uint32_t events) {
    struct epoll_event event = {.events = events | EPOLLONESHOT, .data = {.u64 = id}};
    return epoll_ctl(instance, operation, descriptor, &event);
}

int longtake_readiness_add(int instance, int descriptor, uint64_t id) {
    return change(instance, EPOLL_CTL_ADD, descriptor, id, 0);
}

int longtake_readiness_arm(int instance, int descriptor, uint64_t id) {
    return change(instance, EPOLL_CTL_MOD, descriptor, id, EPOLLIN | EPOLLRDHUP);
}

int longtake_readiness_remove(int instance, int descriptor) {
    return epoll_ctl(instance, EPOLL_CTL_DEL, descriptor, NULL);
}

int longtake_readiness_wait(int instance, uint64_t ids[64]) {
    struct epoll_event events[64];
    int count = epoll_wait(instance, events, 64, -1);
    for (int index = 0; index < count; index++) ids[index] = events[index].data.u64;
    return count;
}
