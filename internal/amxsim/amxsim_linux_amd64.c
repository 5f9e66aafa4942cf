//go:build amxsim && cgo

#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#include <xmmintrin.h>

// Palette 1: eight tiles of up to 16 rows of 64 bytes.
enum { TILES = 8, ROWS = 16, ROW_BYTES = 64 };

struct config {
	uint8_t palette, start_row, reserved[14];
	uint16_t colsb[16];
	uint8_t rows[16];
};

static __thread struct config cfg; // palette 0: released
static __thread uint8_t tile[TILES][ROWS][ROW_BYTES];
static struct sigaction before;

static void fault(const char *why) {
	const char *head = "amxsim: ";
	if (write(2, head, strlen(head)) < 0 || write(2, why, strlen(why)) < 0 || write(2, "\n", 1) < 0)
		_exit(3);
	abort();
}

// LDTILECFG and its #GP conditions.
static void load_config(const void *p) {
	struct config c;
	memcpy(&c, p, sizeof c);
	if (c.palette > 1)
		fault("LDTILECFG: an unknown palette");
	if (c.palette == 1) {
		for (unsigned i = 0; i < sizeof c.reserved; i++)
			if (c.reserved[i])
				fault("LDTILECFG: a reserved byte is not 0");
		for (int i = 0; i < 16; i++) {
			if (i >= TILES && (c.rows[i] || c.colsb[i]))
				fault("LDTILECFG: a tile beyond the eighth has a shape");
			if (c.rows[i] > ROWS || c.colsb[i] > ROW_BYTES)
				fault("LDTILECFG: a tile of more than 16 rows or 64 bytes a row");
			if (!c.rows[i] != !c.colsb[i])
				fault("LDTILECFG: a tile with rows and no columns, or columns and no rows");
		}
	}
	memset(tile, 0, sizeof tile);
	memset(&cfg, 0, sizeof cfg);
	if (c.palette == 1)
		cfg = c;
}

static void need(int t) {
	if (!cfg.palette)
		fault("a tile instruction without a configuration");
	if (!cfg.rows[t])
		fault("a tile without a shape");
}

static void load(int t, const uint8_t *p, int64_t stride) {
	need(t);
	memset(tile[t], 0, sizeof tile[t]);
	for (int r = 0; r < cfg.rows[t]; r++)
		memcpy(tile[t][r], p + r * stride, cfg.colsb[t]);
}

static void store(int t, uint8_t *p, int64_t stride) {
	need(t);
	for (int r = 0; r < cfg.rows[t]; r++)
		memcpy(p + r * stride, tile[t][r], cfg.colsb[t]);
}

static float widen(uint16_t v) {
	uint32_t w = (uint32_t)v << 16;
	float f;
	memcpy(&f, &w, 4);
	return f;
}

// TDPBF16PS: even and odd products are summed separately by fused multiply-adds, and both sums are
// added to C. Denormals are treated as zero, and results are rounded to nearest.
__attribute__((noinline, target("fma"))) static void dot_rows(int c, int a, int b) {
	int pairs = cfg.colsb[a] / 4, cols = cfg.colsb[c] / 4;
	for (int m = 0; m < cfg.rows[c]; m++) {
		float even[16] = {0}, odd[16] = {0}, sum[16];
		uint16_t x[2], y[2];
		for (int k = 0; k < pairs; k++) {
			memcpy(x, &tile[a][m][4 * k], 4);
			for (int n = 0; n < cols; n++) {
				memcpy(y, &tile[b][k][4 * n], 4);
				even[n] = __builtin_fmaf(widen(x[0]), widen(y[0]), even[n]);
				odd[n] = __builtin_fmaf(widen(x[1]), widen(y[1]), odd[n]);
			}
		}
		memcpy(sum, tile[c][m], sizeof sum);
		for (int n = 0; n < cols; n++) {
			float both = even[n] + odd[n];
			sum[n] += both;
		}
		memcpy(tile[c][m], sum, 4 * cols);
		memset(tile[c][m] + 4 * cols, 0, ROW_BYTES - 4 * cols);
	}
}

static void dot(int c, int a, int b) {
	need(c);
	need(a);
	need(b);
	if (c == a || c == b || a == b)
		fault("TDPBF16PS: two operands are one tile");
	if (cfg.rows[c] != cfg.rows[a] || cfg.colsb[c] != cfg.colsb[b] || cfg.colsb[a] != 4 * cfg.rows[b] || cfg.colsb[c] % 4)
		fault("TDPBF16PS: the tiles' shapes do not fit");
	// The kernel restores the interrupted code's MXCSR.
	_mm_setcsr(0x1f80 | 0x8040); // denormals are zero, as operands and as results
	dot_rows(c, a, b);
	_mm_setcsr(0x1f80);
}

static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

// operand is a memory operand: its address, its stride (the index register), and the bytes of its encoding.
static int operand(const greg_t *g, const uint8_t *p, int x, int b, uint8_t **at, int64_t *stride, int sib) {
	int mod = p[0] >> 6, rm = p[0] & 7, n = 1, base = rm | b << 3;
	*stride = 0;
	if (rm == 4) {
		int index = (p[1] >> 3 & 7) | x << 3;
		base = (p[1] & 7) | b << 3;
		n = 2;
		if (index != 4)
			*stride = g[order[index]] << (p[1] >> 6);
	} else if (sib) {
		return 0;
	}
	if (mod == 0 && (base & 7) == 5)
		return 0; // an address without a base, which no kernel uses
	int64_t disp = 0;
	if (mod == 1) {
		disp = (int8_t)p[n];
		n += 1;
	} else if (mod == 2) {
		int32_t d;
		memcpy(&d, p + n, 4);
		disp = d;
		n += 4;
	}
	*at = (uint8_t *)(g[order[base]] + disp);
	return n;
}

// step executes the instruction at p and returns its length, 0 if it is not an AMX instruction.
static int step(const greg_t *g, const uint8_t *p) {
	if (p[0] != 0xc4 || (p[1] & 31) != 2 || (p[2] & 0x84))
		return 0; // VEX.128.0F38.W0
	int r = ~p[1] >> 7 & 1, x = ~p[1] >> 6 & 1, b = ~p[1] >> 5 & 1, v = ~p[2] >> 3 & 15, pp = p[2] & 3;
	int mod = p[4] >> 6, reg = (p[4] >> 3 & 7), rm = p[4] & 7, n;
	uint8_t *at;
	int64_t stride;
	if (r)
		return 0;
	switch (p[3]) {
	case 0x49:
		if (v)
			return 0;
		if (mod == 3) {
			if (pp == 0 && reg == 0 && rm == 0) { // TILERELEASE
				memset(&cfg, 0, sizeof cfg);
				memset(tile, 0, sizeof tile);
				return 5;
			}
			if (pp == 3 && rm == 0) { // TILEZERO
				need(reg);
				memset(tile[reg], 0, sizeof tile[reg]);
				return 5;
			}
			return 0;
		}
		if (reg != 0 || pp > 1 || !(n = operand(g, p + 4, x, b, &at, &stride, 0)))
			return 0;
		at += stride; // an index is part of this address
		if (pp == 0)
			load_config(at);
		else
			memcpy(at, &cfg, sizeof cfg); // STTILECFG
		return 4 + n;
	case 0x4b:
		if (v || mod == 3 || !(n = operand(g, p + 4, x, b, &at, &stride, 1)))
			return 0;
		if (pp == 3 || pp == 1) // TILELOADD, TILELOADDT1
			load(reg, at, stride);
		else if (pp == 2) // TILESTORED
			store(reg, at, stride);
		else
			return 0;
		return 4 + n;
	case 0x5c:
		if (mod != 3 || pp != 2 || v > 7 || b)
			return 0;
		dot(reg, rm, v);
		return 5;
	}
	return 0;
}

static void handler(int sig, siginfo_t *info, void *context) {
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
	int n = step(g, (const uint8_t *)g[REG_RIP]);
	if (n)
		g[REG_RIP] += n;
	else if (before.sa_flags & SA_SIGINFO && before.sa_sigaction)
		before.sa_sigaction(sig, info, context);
	else
		fault("an instruction that this processor does not know");
}

int amxsimInstall(void) {
	unsigned a, b, c, d;
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1) && (d >> 24 & 1))
		return 0;
	struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	sigfillset(&act.sa_mask);
	return sigaction(SIGILL, &act, &before) == 0;
}
