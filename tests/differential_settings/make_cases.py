"""Random files of settings for the real programs.

usage: make_cases.py FOLDER COUNT SEED
In:  how many cases of each program.
Out: FOLDER/N/root/... (the files), FOLDER/N/ask (a line: program, format, file, key, value to set, the program's
     default; tabs between).
"""
import os
import random
import sys

folder, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)
ends = ["\n", "\n", "\n", "\r\n"]


def quoted(word, marks):
    mark = rng.choice(["", "", *marks])
    return f"{mark}{word}{mark}"


def case_of(word):
    return rng.choice([word, word.lower(), word.upper()])


def sshd():
    keys = {"MaxAuthTries": (["2", "5", "9"], "6"), "X11Forwarding": (["yes", "no"], "no"),
            "PermitEmptyPasswords": (["yes", "no"], "no"), "ClientAliveCountMax": (["0", "4"], "3")}

    def lines(match):
        out = []
        for _ in range(rng.randrange(5)):
            key = rng.choice(list(keys))
            if match and key == "ClientAliveCountMax":
                key = "X11Forwarding"
            separator = rng.choice([" ", "\t", "=", " = ", "  "])
            out.append(rng.choice(["", "", "  ", "\t"]) + case_of(key) + separator
                       + quoted(rng.choice(keys[key][0]), ['"']) + rng.choice(["", "", " # c", "  "]))
            if rng.random() < .2:
                out.append(rng.choice(["", "# MaxAuthTries 1", "   #x"]))
        return out

    def text(include):
        out = lines(False)
        if include:
            out.insert(rng.randrange(len(out) + 1), rng.choice(
                ["Include sshd_config.d/*.conf", "Include /etc/ssh/sshd_config.d/*.conf", "include b.conf sshd_config.d/a*"]))
        for _ in range(rng.choice([0, 0, 1, 2])):
            out.append(rng.choice(["Match User nobody", "match group x", "Match Address 10.0.0.0/8"]))
            out += lines(True)
        return out
    key = rng.choice(list(keys))
    end = rng.choice(ends)
    files = {"etc/ssh/sshd_config": text(True), "etc/ssh/sshd_config.d/a.conf": text(False),
             "etc/ssh/sshd_config.d/b.conf": text(False), "etc/ssh/b.conf": text(False)}
    return "sshd", "sshd", "/etc/ssh/sshd_config", key, rng.choice(keys[key][0]), keys[key][1], files, end


def redis():
    keys = {"protected-mode": (["yes", "no"], "yes"), "timeout": (["1", "30"], "0"), "requirepass": (["a b", "x'y", 'q"#'], ""),
            "maxmemory-policy": (["allkeys-lru", "noeviction"], "noeviction")}

    def lines():
        out = []
        for _ in range(rng.randrange(5)):
            key = rng.choice(list(keys))
            value = rng.choice(keys[key][0])
            if key == "requirepass":
                value = '"' + value.replace('"', '\\"') + '"'
            else:
                value = quoted(value, ['"', "'"])
            out.append(rng.choice(["", "  "]) + case_of(key) + rng.choice([" ", "\t"]) + value + rng.choice(["", "  "]))
            if rng.random() < .2:
                out.append(rng.choice(["", "# timeout 7"]))
        return out
    main = lines()
    main.insert(rng.randrange(len(main) + 1), rng.choice(["include /etc/redis/d/*.conf", "include /etc/redis/d/a.conf"]))
    key = rng.choice(list(keys))
    files = {"etc/redis/redis.conf": main, "etc/redis/d/a.conf": lines(), "etc/redis/d/b.conf": lines()}
    return "redis", "redis", "/etc/redis/redis.conf", key, rng.choice(keys[key][0]), keys[key][1], files, rng.choice(ends)


def mysql():
    keys = {"skip-name-resolve": (["1", "0"], "FALSE"), "max-connections": (["77", "99"], "151"),
            "local-infile": (["0", "1"], "TRUE"), "bind-address": (["127.0.0.1", "::1"], "(No default value)")}

    def lines():
        out = []
        for _ in range(rng.randrange(3)):
            out.append("[" + rng.choice(["mysqld", "mariadb", "server", "client", "mysqldump", "mariadb-5.5"]) + "]")
            for _ in range(rng.randrange(4)):
                key = rng.choice(list(keys))
                value = quoted(rng.choice(keys[key][0]), ['"', "'"])
                name = rng.choice(["", "", "loose-"]) + rng.choice([key, key.replace("-", "_")])
                out.append(rng.choice(["", " "]) + name + rng.choice(["=", " = "]) + value + rng.choice(["", " # c"]))
                if rng.random() < .2:
                    out.append(rng.choice(["", "# c", "; c", "loose-skip-local-infile", "skip-name-resolve"]))
        return out
    main = lines()
    main.append("!includedir /etc/mysql/d")
    main += lines()
    key = rng.choice(list(keys))
    files = {"etc/mysql/my.cnf": main, "etc/mysql/d/a.cnf": lines(), "etc/mysql/d/b.cnf": lines(), "etc/mysql/d/c.x": ["[mysqld]", "nonsense"]}
    return "mysql", "mysql", "/etc/mysql/my.cnf", f"mysqld.{key}", rng.choice(keys[key][0]), keys[key][1], files, "\n"


def postgresql():
    keys = {"ssl": (["on", "off"], "off"), "max_connections": (["20", "30"], "100"), "listen_addresses": (["*", "127.0.0.1,::1"], "localhost"),
            "log_line_prefix": (["it's %m ", "a\\b"], "%m [%p] ")}

    def lines():
        out = []
        for _ in range(rng.randrange(5)):
            key = rng.choice(list(keys))
            value = rng.choice(keys[key][0]).replace("\\", "\\\\").replace("'", rng.choice(["''", "\\'"]))
            value = f"'{value}'" if key in ("listen_addresses", "log_line_prefix") else quoted(value, ["'"])
            out.append(rng.choice(["", "  "]) + case_of(key) + rng.choice([" = ", " ", "="]) + value + rng.choice(["", "  # c", "#c"]))
            if rng.random() < .2:
                out.append(rng.choice(["", "# ssl = on", "\t"]))
        return out
    main = lines()
    main.insert(rng.randrange(len(main) + 1), rng.choice(["include_dir 'd'", "include = 'd/a.conf'", "include_if_exists 'no.conf'"]))
    key = rng.choice(list(keys))
    files = {"etc/postgresql/postgresql.conf": main, "etc/postgresql/d/a.conf": lines(), "etc/postgresql/d/b.conf": lines(),
             "etc/postgresql/d/.c.conf": ["nonsense"]}
    return "postgres", "postgresql", "/etc/postgresql/postgresql.conf", key, rng.choice(keys[key][0]), keys[key][1], files, rng.choice(ends)


number = 0
for make in [sshd, redis, mysql, postgresql]:
    for _ in range(count):
        *ask, files, end = make()
        place = f"{folder}/{number:05}"
        number += 1
        for name, lines in files.items():
            path = f"{place}/root/{name}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            text = end.join(lines) + (end if rng.random() < .8 else "")
            with open(path, "w", newline="") as out:
                out.write(text)
        with open(f"{place}/ask", "w") as out:
            out.write("\t".join(ask))
