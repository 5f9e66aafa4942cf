#pragma once
#include "exec.h"

// Simple describes an opcode whose operands are only registers and constants. The letters of spec
// are the widths of the target and the sources: h 16 bits, w 32, l 64, p a predicate.
struct Simple { Handler fn; std::string spec; };

const Simple *simple(std::string_view op);
// comparison finds the function of a setp, such as "lt.s32", and the width of its operands.
const Simple *comparison(const std::string &op);
