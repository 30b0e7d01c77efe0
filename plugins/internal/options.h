/* Options with values, as the matchers in C here take them: on one line,
 *
 *	NAME [OPTION VALUE…] [OPTION VALUE…]
 *
 * or as a block with one option a line, where every word behind the option is a value,
 * also one that is called like an option. All options that are given must hold, one
 * value of each. To be included behind dwaar.h, by one file of a module. */
#ifndef OPTIONS_H
#define OPTIONS_H

typedef struct {
	const char *name;
	const char *(*unfit)(dwaar_span value); /* why it cannot be a value, or 0 */
	int fold;                               /* does case not matter? */
} option;

/* The options of a matcher, and what is said of a word that is none of them. */
typedef struct {
	const option *table;
	uint32_t count;
	const char *unknown;
} options;

/* Each value is the number of its option, its length, and its bytes. */
static uint8_t option_values[4 << 10];
static uint32_t option_values_size;
static uint32_t options_given; /* a bit for each that has a value */

static uint8_t upper(uint8_t b) { return b >= 'a' && b <= 'z' ? b - ('a' - 'A') : b; }

/* Are two stretches of ASCII the same but for case? */
static int same_folded(dwaar_span a, dwaar_span b) {
	if (a.size != b.size)
		return 0;
	for (uint32_t i = 0; i < a.size; i++)
		if (upper(a.at[i]) != upper(b.at[i]))
			return 0;
	return 1;
}

static int32_t option_add(const options *o, uint32_t number, dwaar_token t) {
	const char *why = o->table[number].unfit(t.text);
	if (why)
		return dwaar_reject(t, why);
	if (t.text.size > 255)
		return dwaar_reject(t, "has more than 255 bytes");
	if (option_values_size + 2 + t.text.size > sizeof option_values)
		return dwaar_reject(t, "is one too many: there is room for 4 KiB of values");
	uint8_t *to = option_values + option_values_size;
	to[0] = (uint8_t)number;
	to[1] = (uint8_t)t.text.size;
	for (uint32_t i = 0; i < t.text.size; i++)
		to[2 + i] = t.text.at[i];
	option_values_size += 2 + t.text.size;
	options_given |= 1u << number;
	return 0;
}

/* The number of the option that a word names, or their count. */
static uint32_t option_named(const options *o, dwaar_token t) {
	uint32_t i = 0;
	while (i < o->count && !(t.kind == DWAAR_TOKEN_WORD && dwaar_is(t.text, o->table[i].name)))
		i++;
	return i;
}

/* One option with its values, from its name up to the token that ends them, which is
 * left in t. */
static int32_t option_read(dwaar_config *config, dwaar_token *t, const options *o, int own_line) {
	dwaar_token name = *t;
	uint32_t number = option_named(o, name), before = option_values_size;
	if (number == o->count)
		return dwaar_reject(name, o->unknown);
	for (*t = dwaar_next(config); t->kind == DWAAR_TOKEN_WORD; *t = dwaar_next(config)) {
		if (!own_line && option_named(o, *t) != o->count)
			break;
		int32_t bad = option_add(o, number, *t);
		if (bad)
			return bad;
	}
	return option_values_size > before ? 0 : dwaar_reject(name, "needs a value");
}

/* Reads a configuration. Returns what init returns. */
static int32_t options_read(dwaar_config *config, const options *o) {
	int32_t bad = 0;
	dwaar_token t = dwaar_next(config);
	while (!bad && t.kind == DWAAR_TOKEN_WORD)
		bad = option_read(config, &t, o, 0);
	if (bad || t.kind != DWAAR_TOKEN_OPEN)
		return bad;
	t = dwaar_next(config);
	while (!bad && t.kind != DWAAR_TOKEN_CLOSE) {
		bad = option_read(config, &t, o, 1);
		if (!bad && t.kind != DWAAR_TOKEN_LINE)
			return dwaar_reject(t, "begins a block where none is");
		if (!bad)
			t = dwaar_next(config);
	}
	return bad;
}

/* Is it one of the option's values, if the option is given? */
static int option_holds(const options *o, uint32_t number, dwaar_span value) {
	if (!(options_given & 1u << number))
		return 1;
	for (uint32_t at = 0; at < option_values_size; at += 2 + option_values[at + 1]) {
		dwaar_span one = {option_values + at + 2, option_values[at + 1]};
		if (option_values[at] != number)
			continue;
		if (o->table[number].fold ? same_folded(value, one) : dwaar_equal(value, one))
			return 1;
	}
	return 0;
}

#endif
