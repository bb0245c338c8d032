/* From operations as lists of values to the bytes that init reads. */
#ifndef TSRUNC_HOST_PLAN_ENCODE_H
#define TSRUNC_HOST_PLAN_ENCODE_H

#include "host.h"

/* As many slots as the operations name. */
#define PLAN_SLOTS_NAMED UINT32_MAX

/*
 * Encodes the operations [number, field...] into *bytes, which lie in the arena. EINVAL names the operation and field
 * at fault; E2BIG: larger than PLAN_MAX_BYTES.
 */
int plan_encode(struct host_call *call, const struct hv *ops, size_t count, uint32_t slots, uint32_t flags,
		struct hv *bytes);

#endif
