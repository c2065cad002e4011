/* The packet shield: docs/shield.md says what it decides, step by step; the headers follow its order. */
#include "kernel.h"
#include "tables.h"
#include "verdict.h"

char _license[] SEC("license") = "GPL"; /* some helpers are only for programs that say so */

SEC("xdp")
int shield(struct xdp_md *ctx)
{
	struct config *config = settings();
	struct packet packet = {};
	int reason;

	if (!config)
		return XDP_PASS;
	packet.frame = (u32)(ctx->data_end - ctx->data);
	reason = judge(ctx, &packet, config);
	conclude(ctx, &packet, (u32)reason, config);
	return carry_out(ctx, &packet, (u32)reason);
}
