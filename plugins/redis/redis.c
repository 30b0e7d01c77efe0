//go:build ignore

// The line above keeps the go command, which tests this directory, away from this file.

/* Matches clients of Redis, and of what speaks like it, by their first command: an
 * array of bulk strings as all libraries send it (RESP2 and RESP3), or a line as
 * people and health checks do. README.md says what it takes; the protocol is described
 * at https://redis.io/docs/latest/develop/reference/protocol-spec/. */
#define DWAAR_MAX_HEAD (64 << 10) /* as much as waits of a session of datagrams */
#include "dwaar.h"

#include "../internal/options.h"

/* What the names of commands are made of, those of modules and renamed ones too. */
static int is_name(uint8_t b) {
	return (b >= '0' && b <= '9') || (upper(b) >= 'A' && upper(b) <= 'Z') || b == '.' || b == '_' || b == '-';
}

static int is_digit(uint8_t b) { return b >= '0' && b <= '9'; }

#define MAX_NAME 64 /* bytes of a command's name */
#define MAX_USER 255
#define MAX_DB 10 /* digits */

/* Are the bytes all of one kind, 1 to most of them? */
static int all(dwaar_span s, uint32_t most, int (*is)(uint8_t)) {
	for (uint32_t i = 0; i < s.size; i++)
		if (!is(s.at[i]))
			return 0;
	return s.size >= 1 && s.size <= most;
}

/* ---- The configuration ---- */

static const char *unfit_command(dwaar_span text) {
	return all(text, MAX_NAME, is_name) ? 0 : "is no name of a command: write SELECT, or GET";
}

static const char *unfit_user(dwaar_span text) {
	return text.size >= 1 && text.size <= MAX_USER ? 0 : "is no name of 1 to 255 bytes";
}

static const char *unfit_db(dwaar_span text) {
	return all(text, MAX_DB, is_digit) ? 0 : "is no number of a database: write 0, or 15";
}

enum { COMMAND, USER, DB, OPTIONS };

static const option table[OPTIONS] = {{"command", unfit_command, 1}, {"user", unfit_user, 0}, {"db", unfit_db, 0}};
static const options given = {table, OPTIONS, "is no option: write command, user or db"};

DWAAR_INIT(config) { return options_read(config, &given); }

/* ---- The first command ---- */

#define MAX_ARGS 6 /* HELLO 3 AUTH name password SETNAME name */

/* How far a command is one. ODD is what a server goes on with and nobody sends: it is
 * not read any further. */
enum { NOT, IS, ODD };

typedef struct {
	uint8_t text[MAX_NAME]; /* the name in upper case */
	dwaar_span name;        /* in text */
	dwaar_span args[MAX_ARGS];
	uint32_t count; /* of them, for a command whose arguments are read */
} command;

static void set_name(command *cmd, dwaar_span name) {
	for (uint32_t i = 0; i < name.size; i++)
		cmd->text[i] = upper(name.at[i]);
	cmd->name = (dwaar_span){cmd->text, name.size};
}

/* The digits of a number without a leading zero, and CR LF. A server takes any byte
 * behind CR, and passes over an array of no strings or fewer. */
static int number(dwaar_cursor *c, uint32_t digits, uint32_t *n) {
	*n = 0;
	for (uint32_t i = 0; i <= digits; i++) {
		uint8_t b = dwaar_u8(c);
		if (i && b == '\r')
			return dwaar_literal(c, "\n") ? IS : ODD;
		if (!i && b == '-')
			return ODD;
		if (!is_digit(b) || (i && !*n))
			return NOT;
		*n = *n * 10 + (b - '0');
	}
	return ODD;
}

/* The arguments of these commands are read: how many they take. */
static int arity(dwaar_span name, uint32_t *least, uint32_t *most) {
	*least = *most = 1;
	if (dwaar_is(name, "SELECT"))
		return 1;
	*most = 2;
	if (dwaar_is(name, "AUTH"))
		return 1;
	*least = 0;
	*most = MAX_ARGS;
	return dwaar_is(name, "HELLO");
}

/* A bulk string: the name of the command, judged byte by byte. */
static int bulk_name(dwaar_cursor *c, dwaar_span *name) {
	uint32_t n;
	int is = dwaar_u8(c) == '$' ? number(c, 2, &n) : NOT;
	if (is != IS)
		return is;
	if (n < 1 || n > MAX_NAME)
		return NOT;
	*name = (dwaar_span){c->head + c->at, n};
	for (uint32_t i = 0; i < n; i++)
		if (!is_name(dwaar_u8(c)))
			return NOT;
	return dwaar_literal(c, "\r\n") ? IS : ODD; /* a server does not look at these two */
}

#define MAX_BULK (16 << 10) /* what a server takes of somebody whom it does not know */

/* Another bulk string. */
static int bulk(dwaar_cursor *c, dwaar_span *text) {
	uint32_t n;
	int is = dwaar_u8(c) == '$' ? number(c, 5, &n) : NOT;
	if (is != IS)
		return is;
	if (n > MAX_BULK)
		return ODD;
	*text = dwaar_bytes(c, n);
	return dwaar_literal(c, "\r\n") ? IS : ODD;
}

/* Behind "*": the number of strings, and as many of them as matter. */
static int array(dwaar_cursor *c, command *cmd) {
	uint32_t strings, least, most;
	dwaar_span name;
	int is = number(c, 7, &strings);
	if (is != IS || strings < 1 || strings > 1 << 20)
		return is == IS ? ODD : is;
	if ((is = bulk_name(c, &name)) != IS)
		return is;
	if (dwaar_short(c))
		return NOT;
	set_name(cmd, name);
	if (!arity(cmd->name, &least, &most))
		return IS;
	if (strings - 1 < least || strings - 1 > most)
		return NOT;
	for (cmd->count = 0; cmd->count < strings - 1; cmd->count++)
		if ((is = bulk(c, &cmd->args[cmd->count])) != IS)
			return is;
	return IS;
}

/* ---- Inline commands ---- */

/* Those that people and health checks send, ordered, with how many arguments they
 * take: anybody's first line would be a command otherwise. "GET / HTTP/1.1" is none
 * because GET takes one. */
typedef struct {
	char name[10];
	uint8_t least, most;
} line_command;

#define ANY 255

static const line_command lines[] = {
	{"ACL", 1, ANY},      {"AUTH", 1, 2},     {"CLIENT", 1, ANY},   {"CLUSTER", 1, ANY}, {"COMMAND", 0, ANY},
	{"CONFIG", 1, ANY},   {"DBSIZE", 0, 0},   {"DEL", 1, ANY},      {"ECHO", 1, 1},      {"EXISTS", 1, ANY},
	{"GET", 1, 1},        {"HELLO", 0, 6},    {"INCR", 1, 1},       {"INFO", 0, ANY},    {"KEYS", 1, 1},
	{"LATENCY", 1, ANY},  {"MEMORY", 1, ANY}, {"MONITOR", 0, 0},    {"PING", 0, 1},      {"PSYNC", 2, 3},
	{"QUIT", 0, 0},       {"ROLE", 0, 0},     {"SCAN", 1, ANY},     {"SELECT", 1, 1},    {"SENTINEL", 1, ANY},
	{"SET", 2, ANY},      {"SLOWLOG", 1, ANY}, {"SUBSCRIBE", 1, ANY}, {"SYNC", 0, 0},    {"TIME", 0, 0},
	{"TTL", 1, 1},        {"TYPE", 1, 1},
};

#define LINES (sizeof lines / sizeof *lines)
#define MAX_LINE 1024 /* bytes */

/* The other commands of Redis 7.0, ordered: a server takes them on a line as well, and
 * nobody sends them so. */
static const char others[][21] = {
	"APPEND", "ASKING", "BGREWRITEAOF", "BGSAVE", "BITCOUNT", "BITFIELD", "BITFIELD_RO", "BITOP", "BITPOS",
	"BLMOVE", "BLMPOP", "BLPOP", "BRPOP", "BRPOPLPUSH", "BZMPOP", "BZPOPMAX", "BZPOPMIN", "COPY", "DEBUG",
	"DECR", "DECRBY", "DISCARD", "DUMP", "EVAL", "EVALSHA", "EVALSHA_RO", "EVAL_RO", "EXEC", "EXPIRE",
	"EXPIREAT", "EXPIRETIME", "FAILOVER", "FCALL", "FCALL_RO", "FLUSHALL", "FLUSHDB", "FUNCTION", "GEOADD",
	"GEODIST", "GEOHASH", "GEOPOS", "GEORADIUS", "GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO", "GEORADIUS_RO",
	"GEOSEARCH", "GEOSEARCHSTORE", "GETBIT", "GETDEL", "GETEX", "GETRANGE", "GETSET", "HDEL", "HEXISTS",
	"HGET", "HGETALL", "HINCRBY", "HINCRBYFLOAT", "HKEYS", "HLEN", "HMGET", "HMSET", "HRANDFIELD", "HSCAN",
	"HSET", "HSETNX", "HSTRLEN", "HVALS", "INCRBY", "INCRBYFLOAT", "LASTSAVE", "LCS", "LINDEX", "LINSERT",
	"LLEN", "LMOVE", "LMPOP", "LOLWUT", "LPOP", "LPOS", "LPUSH", "LPUSHX", "LRANGE", "LREM", "LSET", "LTRIM",
	"MGET", "MIGRATE", "MODULE", "MOVE", "MSET", "MSETNX", "MULTI", "OBJECT", "PERSIST", "PEXPIRE",
	"PEXPIREAT", "PEXPIRETIME", "PFADD", "PFCOUNT", "PFDEBUG", "PFMERGE", "PFSELFTEST", "PSETEX",
	"PSUBSCRIBE", "PTTL", "PUBLISH", "PUBSUB", "PUNSUBSCRIBE", "RANDOMKEY", "READONLY", "READWRITE", "RENAME",
	"RENAMENX", "REPLCONF", "REPLICAOF", "RESET", "RESTORE", "RESTORE-ASKING", "RPOP", "RPOPLPUSH", "RPUSH",
	"RPUSHX", "SADD", "SAVE", "SCARD", "SCRIPT", "SDIFF", "SDIFFSTORE", "SETBIT", "SETEX", "SETNX",
	"SETRANGE", "SHUTDOWN", "SINTER", "SINTERCARD", "SINTERSTORE", "SISMEMBER", "SLAVEOF", "SMEMBERS",
	"SMISMEMBER", "SMOVE", "SORT", "SORT_RO", "SPOP", "SPUBLISH", "SRANDMEMBER", "SREM", "SSCAN",
	"SSUBSCRIBE", "STRLEN", "SUBSTR", "SUNION", "SUNIONSTORE", "SUNSUBSCRIBE", "SWAPDB", "TOUCH", "UNLINK",
	"UNSUBSCRIBE", "UNWATCH", "WAIT", "WATCH", "XACK", "XADD", "XAUTOCLAIM", "XCLAIM", "XDEL", "XGROUP",
	"XINFO", "XLEN", "XPENDING", "XRANGE", "XREAD", "XREADGROUP", "XREVRANGE", "XSETID", "XTRIM", "ZADD",
	"ZCARD", "ZCOUNT", "ZDIFF", "ZDIFFSTORE", "ZINCRBY", "ZINTER", "ZINTERCARD", "ZINTERSTORE", "ZLEXCOUNT",
	"ZMPOP", "ZMSCORE", "ZPOPMAX", "ZPOPMIN", "ZRANDMEMBER", "ZRANGE", "ZRANGEBYLEX", "ZRANGEBYSCORE",
	"ZRANGESTORE", "ZRANK", "ZREM", "ZREMRANGEBYLEX", "ZREMRANGEBYRANK", "ZREMRANGEBYSCORE", "ZREVRANGE",
	"ZREVRANGEBYLEX", "ZREVRANGEBYSCORE", "ZREVRANK", "ZSCAN", "ZSCORE", "ZUNION", "ZUNIONSTORE",
};

#define OTHERS (sizeof others / sizeof *others)

/* The next byte of the line, or 0 where there is none and where none may stand. */
static uint8_t line_byte(dwaar_cursor *c) {
	uint8_t b = c->at < MAX_LINE ? dwaar_u8(c) : 0;
	return b < ' ' && (b < '\t' || b > '\r') ? 0 : b;
}

static int is_blank(uint8_t b) { return b == ' ' || b == '\t' || b == '\v' || b == '\f'; }
static int is_quote(uint8_t b) { return b == '"' || b == '\''; }
static int is_end(uint8_t b) { return is_blank(b) || b == '\r' || b == '\n'; }

/* The name that begins the line, in upper case, and in *b the byte behind it: its
 * length, or 0. Bytes narrow both tables down: at the first one that no name has there
 * is none. */
static uint32_t line_name(dwaar_cursor *c, uint8_t *b, uint8_t name[sizeof *others]) {
	uint32_t low = 0, high = LINES, from = 0, to = OTHERS, i = 0;
	for (; i < sizeof *others - 1 && !is_end(*b); i++) {
		uint8_t up = upper(*b);
		for (; low < high && (i >= sizeof lines->name || (uint8_t)lines[low].name[i] < up); low++) {
		}
		for (; low < high && (uint8_t)lines[high - 1].name[i] > up; high--) {
		}
		for (; from < to && (uint8_t)others[from][i] < up; from++) {
		}
		for (; from < to && (uint8_t)others[to - 1][i] > up; to--) {
		}
		if ((low == high && from == to) || !*b)
			return 0;
		name[i] = up;
		*b = line_byte(c);
	}
	return is_end(*b) ? i : 0;
}

/* Is the name one of the others? */
static int is_other(dwaar_span name) {
	for (uint32_t i = 0; i < OTHERS; i++)
		if (dwaar_is(name, others[i]))
			return 1;
	return 0;
}

/* A word that begins with *b, in quotation marks or not, which may not stand inside; then
 * *b is what is behind it.
 * What a backslash stands for is not worked out: such a word is empty. */
static int word(dwaar_cursor *c, uint8_t *b, dwaar_span *w) {
	uint8_t quote = is_quote(*b) ? *b : 0;
	uint32_t from = c->at - !quote;
	int escapes = 0;
	if (quote)
		*b = line_byte(c);
	while (quote ? *b != quote : !is_end(*b)) {
		if (!*b || *b == '\r' || *b == '\n' || (!quote && is_quote(*b)))
			return 0;
		if (quote && *b == '\\') {
			escapes = 1;
			line_byte(c);
		}
		*b = line_byte(c);
	}
	*w = (dwaar_span){c->head + from, escapes ? 0 : c->at - 1 - from};
	if (!quote)
		return 1;
	*b = line_byte(c);
	return is_end(*b);
}

/* The rest of a line, behind a name that takes so many arguments. */
static int line_arguments(dwaar_cursor *c, uint8_t b, const line_command *l, command *cmd) {
	uint32_t count = 0;
	for (cmd->count = 0;;) {
		while (is_blank(b))
			b = line_byte(c);
		if (b == '\r' || b == '\n')
			break;
		dwaar_span w;
		if (count == l->most)
			return NOT;
		if (!b || !word(c, &b, &w))
			return ODD;
		if (cmd->count < MAX_ARGS)
			cmd->args[cmd->count++] = w;
		count += count < ANY - 1;
	}
	if (b == '\r' && !dwaar_literal(c, "\n"))
		return ODD; /* one more blank, or not yet an end */
	return count < l->least ? NOT : IS;
}

/* A command on a line that begins with b. A server passes over blanks and empty lines,
 * and takes quotation marks off a name. */
static int line(dwaar_cursor *c, uint8_t b, command *cmd) {
	uint8_t text[sizeof *others];
	if (is_end(b))
		return ODD;
	dwaar_span name = {text, line_name(c, &b, text)};
	if (!name.size || dwaar_short(c))
		return is_quote(b) ? ODD : NOT;
	for (uint32_t i = 0; i < LINES; i++)
		if (dwaar_is(name, lines[i].name)) {
			set_name(cmd, name);
			return line_arguments(c, b, &lines[i], cmd);
		}
	return is_other(name) ? ODD : NOT;
}

/* ---- What it says ---- */

/* The user that AUTH or HELLO names: AUTH PASSWORD means the one called default. */
static dwaar_span user(const command *cmd) {
	dwaar_span none = {cmd->text, 0};
	if (dwaar_is(cmd->name, "AUTH"))
		return cmd->count == 2 ? cmd->args[0] : (dwaar_span){(const uint8_t *)"default", 7};
	if (!dwaar_is(cmd->name, "HELLO"))
		return none;
	for (uint32_t i = 1; i + 1 < cmd->count; i += 2) {
		if (same_folded(cmd->args[i], (dwaar_span){(const uint8_t *)"AUTH", 4}))
			return cmd->args[i + 1];
	}
	return none;
}

/* The database that SELECT names. */
static dwaar_span db(const command *cmd) {
	if (dwaar_is(cmd->name, "SELECT") && all(cmd->args[0], MAX_DB, is_digit))
		return cmd->args[0];
	return (dwaar_span){cmd->text, 0};
}

/* A command, as an array or on a line. */
static int read_command(dwaar_cursor *c, command *cmd) {
	uint8_t b = dwaar_u8(c);
	if (dwaar_short(c))
		return NOT;
	return b == '*' ? array(c, cmd) : line(c, b, cmd);
}

/* Is it one behind which a client selects its database? */
static int greets(const command *cmd) { return dwaar_is(cmd->name, "AUTH") || dwaar_is(cmd->name, "HELLO"); }

#define MAX_GREETINGS 4 /* HELLO, and AUTH for it, are two */

/* The database that a client selects which greets first: some libraries send SELECT in
 * the same breath, the others when the server has answered, and those wait for the end of
 * matching. What is behind anything else is not read. */
static int selected(dwaar_cursor *c, command *cmd, dwaar_span *where) {
	for (uint32_t i = 0; greets(cmd); i++) {
		int is = i < MAX_GREETINGS ? read_command(c, cmd) : ODD;
		if (is != IS || dwaar_short(c))
			return is;
	}
	*where = db(cmd);
	return IS;
}

DWAAR_MATCH(c, flow) {
	command first, last;
	int is = read_command(c, &first);
	if (is != IS)
		return is == ODD ? dwaar_unknown(c) : dwaar_no(c);
	if (dwaar_short(c))
		return dwaar_no(c);
	dwaar_span who = user(&first), where = db(&first);
	if (!option_holds(&given, COMMAND, first.name) || !option_holds(&given, USER, who))
		return dwaar_no(c);
	if (options_given & 1u << DB && greets(&first)) {
		last = first;
		last.name.at = last.text;
		is = selected(c, &last, &where);
	}
	if (is == ODD)
		return dwaar_unknown(c);
	if (is != IS || dwaar_short(c) || !option_holds(&given, DB, where))
		return dwaar_no(c);
	dwaar_set("command", first.name);
	if (who.size && who.size <= MAX_USER)
		dwaar_set("user", who);
	if (where.size)
		dwaar_set("db", where);
	return dwaar_yes(c);
}
