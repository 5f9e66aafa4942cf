// Places registers in slots.
#include "exec.h"

void allocate(Decoder &d, std::vector<u32> &place) {
	place.resize(d.body.registers.size());
	u32 next = 0;
	for (size_t r = 0; r < place.size(); r++) {
		int w = d.body.registers[r].width;
		if (w == 1) continue;
		place[r] = next;
		next += w == 64 ? 2 : 1;
	}
	d.p.slots = next;
}
