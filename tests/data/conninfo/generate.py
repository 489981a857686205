"""What libpq makes of connection strings, environments and password files.

    python3 generate.py          writes strings.txt and surroundings.txt beside this file
    python3 generate.py answer   answers the strings on standard input, one a line, as strings.txt does

It needs psycopg with its own libpq 18 (`pip install 'psycopg[binary]'`). The tests of `client/src/config` hold our reading
against these files in every run, and against libpq itself where Python has psycopg.

A line of strings.txt is the string, then `ok` and word=value for each word that was said, or `no` and libpq's reason, with
tabs between. A backslash is written \\\\, a control character \\xHH. `bytes` stands for a value that is not UTF-8, which
libpq takes and we refuse.
"""

import os
import pathlib
import sys
import tempfile

from psycopg import pq

HERE = pathlib.Path(__file__).parent
VERSION = 180000


def escape(text):
    out = []
    for c in text:
        if c == "\\":
            out.append("\\\\")
        elif ord(c) < 32 or ord(c) == 127:
            out.append("\\x%02x" % ord(c))
        else:
            out.append(c)
    return "".join(out)


def unescape(text):
    out, i = [], 0
    while i < len(text):
        if text[i] != "\\":
            out.append(text[i])
            i += 1
        elif text[i + 1] == "\\":
            out.append("\\")
            i += 2
        else:
            out.append(chr(int(text[i + 2 : i + 4], 16)))
            i += 4
    return "".join(out)


def answer(string):
    """The fields of a line behind the string."""
    try:
        options = pq.Conninfo.parse(string.encode())
    except Exception as error:
        return ["no", str(error).strip().replace("\n", " ")]
    said = []
    for option in options:
        if option.val is not None:
            try:
                said.append(f"{option.keyword.decode()}={option.val.decode()}")
            except UnicodeDecodeError:
                return ["bytes"]
    return ["ok"] + said


def strings():
    plain = r"""
host=a
host=a port=1
host = a
host =a
host= a
host=a  port = 1
  host=a
host=a   
host=
host= port=1
host='' user=x
host='a b'
host='a' port='1'
host='a'port=1
host='a'='b'
host=a host=b
host=a host=
host
host port=1
host=a port
=
=a
= a
host==a
host=a=b
host='a
host='a\'
host='a\'b'
host='a\\'
host=a\ b
host=a\'b
host=a'b
host=a'b'
host=a\\b
host=a\
host='\a\b\n'
host=\a\b\n
host="a b"
host="a" port=1
HOST=a
Host=a
hots=a
hosts=a
databse=x
database=x
username=x
ssl=true
ssl=1
requiressl=1
requiressl=0
requiressl=
requiressl=yes
requiressl=1 sslmode=disable
sslmode=disable requiressl=1
authtype=x
tty=x
host=a,b,c
host=a,b port=1,2
host=a, b
host=,
port=,
port=1,,3
hostaddr=1.2.3.4,::1
host=::1
host=[::1]
host=/tmp
host=@abstract
host=/tmp,@x,db.example
dbname=postgres://x/y
dbname='postgres://x/y?sslmode=require'
dbname='host=a port=1'
dbname=host=a
service=radio
service='my service' host=x
password=secret
password='it''s'
password='it\'s'
password=se cret
password=a%20b
password=é
user=ü host=日本
options='-c geqo=off'
options=-c\ geqo=off
options='-c search_path=a\\ b'
application_name='a = b'
a b=c
host=a;port=1
host=a,port=1
host=a&port=1
{host=a}
-host=a
host=a #remark
# host=a
postgres
postgres:
postgres:/
postgres:/x
postgre://x
Postgres://x
POSTGRES://x
 postgres://x
postgres://
postgresql://
postgres:///
postgres:////
postgres://?
postgres:///?
postgres://#
postgres://h
postgres://h/
postgres://h/d
postgres://h/d/
postgres://h/d/e
postgres://h//d
postgres://h:1
postgres://h:1/
postgres://h:1/d
postgres://h:/d
postgres://:1/d
postgres://:/d
postgres://h:1:2/d
postgres://h:x/d
postgres://h:-1/d
postgres://h:%31/d
postgres://u@
postgres://u@h
postgres://u:@h
postgres://u:p@
postgres://u:p@h
postgres://u:p@h:1/d
postgres://:p@h
postgres://:@h
postgres://@h
postgres://@
postgres://u:p:q@h
postgres://u@v@h
postgres://u:p@q@h
postgres://u:p/q@h/d
postgres://u:p?q@h/d
postgres://u:p#q@h/d
postgres://u%40v:p%40q@h/d
postgres://u%3Av:p%3Aq@h/d
postgres://u%2fv:p%2Fq@h/d
postgres://[::1]
postgres://[::1]/
postgres://[::1]:1
postgres://[::1]:1/d
postgres://[::1],[::2]
postgres://[::1]:1,[::2]:2/d
postgres://[::1
postgres://[::1/d
postgres://[]
postgres://[]:1
postgres://[::1]x
postgres://[::1]x/d
postgres://[::1]?host=x
postgres://u:p@[::1]
postgres://x[::1]
postgres://[fe80::1%25eth0]/d
postgres://[fe80::1%eth0]/d
postgres://[a,b]/d
postgres://[a/b]/d
postgres://::1/d
postgres://a,b
postgres://a,b/d
postgres://a:1,b:2/d
postgres://a:1,b/d
postgres://a,b:2/d
postgres://a:1,:2/d
postgres://,/d
postgres://,,/d
postgres://a,/d
postgres://,a/d
postgres://a:1,/d
postgres://u:p@a:1,b:2/d
postgres://a%2Cb/d
postgres://a%3A1/d
postgres://%2Ftmp/d
postgres://%2Ftmp:1/d
postgres://%2Ftmp,%2Fvar/d
postgres://%40x/d
postgres:///d?host=/tmp
postgres:///d?host=/tmp&port=1
postgres:///d?host=%2Ftmp
postgres:///d?host=/a,/b&port=1,2
postgres:///?host=a
postgres://?host=a
postgres://h?host=a
postgres://h/d?host=a
postgres://h/d?host=
postgres://h/d?port=2
postgres://u@h/d?user=v
postgres://u:p@h/d?password=q
postgres://h/d?dbname=e
postgres://h/d?dbname=
postgres://h/d?
postgres://h/d?&
postgres://h/d?a
postgres://h/d?=
postgres://h/d?=a
postgres://h/d?host
postgres://h/d?host=a&
postgres://h/d?host=a&&port=1
postgres://h/d?&host=a
postgres://h/d?host=a=b
postgres://h/d?host==a
postgres://h/d?host=a&port=1&user=u
postgres://h/d?host=a&host=b
postgres://h/d?host=a;port=1
postgres://h/d?host=a?port=1
postgres://h/d?Host=a
postgres://h/d?x=1
postgres://h/d?sslmode=require
postgres://h/d?sslmode=
postgres://h/d?ssl=true
postgres://h/d?ssl=false
postgres://h/d?ssl=True
postgres://h/d?ssl=true&sslmode=disable
postgres://h/d?sslmode=disable&ssl=true
postgres://h/d?ssl%3Dtrue
postgres://h/d?%73sl=true
postgres://h/d?requiressl=1
postgres://h/d?requiressl=0
postgres://h/d?%68ost=b
postgres://h/d?h%6Fst=b
postgres://h/d?host%20=b
postgres://h/d? host=b
postgres://h/d?host =b
postgres://h/d?host= b
postgres://h/d?host=b 
postgres://h/d?host=a b
postgres://h/d?application_name=a%20b
postgres://h/d?application_name=a+b
postgres://h/d?options=-c%20geqo%3Doff
postgres://h/d?options=-c geqo=off
postgres://h/d?target_session_attrs=read-write&load_balance_hosts=random
postgres://h/d?connect_timeout=5
postgres://h/d?service=radio
postgres://h/d?servicefile=/x
postgres://h/d?channel_binding=require&require_auth=scram-sha-256
postgres://h/d?sslrootcert=system&sslcert=/a&sslkey=/b&sslcrl=/c&sslcrldir=/d&sslsni=0&sslpassword=x
postgres://h/d?keepalives=1&keepalives_idle=2&keepalives_interval=3&keepalives_count=4&tcp_user_timeout=5
postgres://h/d?gssencmode=disable&krbsrvname=x&gsslib=y&gssdelegation=1
postgres://h/d?replication=database&client_encoding=auto&fallback_application_name=z
postgres://h/d?min_protocol_version=3.0&max_protocol_version=latest
postgres://h/d?oauth_issuer=a&oauth_client_id=b&oauth_client_secret=c&oauth_scope=d
postgres://h/d?scram_client_key=a&scram_server_key=b&sslkeylogfile=c
postgres://h/d?requirepeer=postgres&passfile=/x&sslnegotiation=direct&sslcompression=1&sslcertmode=allow
postgres://h/%
postgres://h/%0
postgres://h/%00
postgres://h/%0g
postgres://h/%zz
postgres://h/%%
postgres://h/%25
postgres://h/%2525
postgres://h/a%20b
postgres://h/%20
postgres://h/ a
postgres://h/a 
postgres://h/a b
postgres://h /a
postgres:// h/a
postgres://h/%c3%a9
postgres://h/é
postgres://é/ü
postgres://h/%ff
postgres://h/%C3
postgres://u:%ff@h/d
postgres://h/d?password=%ff
postgres://h/%41%6a%6A
postgres://h/d#frag
postgres://h/d?host=a#frag
postgres://h/d?sslmode=require#x=y
postgres://user:correct%20horse@db.example:5433/music?application_name=radio
postgres://host1:123,host2:456/somedb?target_session_attrs=any&application_name=myapp
postgres://localhost/mydb?user=other&password=secret
postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp
jdbc:postgresql://h/d
postgres+tls://h/d
mysql://h/d
"""
    out = ["", " ", "\t\n", "host=a\tport=1\nuser=x\r\n", "host\x0b=\x0ca", "host=a\x01b",
           "host='a\nb'", "postgres://h\n/d", "postgres://h/d\t", "postgres://\th/d", "host=a\xa0port=1"]
    out += plain.strip("\n").split("\n")
    nasty = [" ", "\t", "'", '"', "\\", "=", "%", "&", "?", "#", "/", ":", "@", ",", "[", "]", "é", "\u2003", "%20",
             "%27", "%5c", "+", ";", "\\'", "''"]
    patterns = ["password=x{}y", "password='x{}y' host=h", "password={}", "postgres://u:x{}y@h/d", "postgres://x{}y/d",
                "postgres://h/x{}y", "postgres://h/d?password=x{}y", "host=h {}"]
    out += [pattern.replace("{}", c) for pattern in patterns for c in nasty]
    seen = set()
    return [s for s in out if not (s in seen or seen.add(s))]


# Cases of surroundings: files in a folder, variables, a string. `%DIR%` stands for the folder, which is also the home.
PGPASS = """# a remark
db.example:5432:music:anna:one
db.example:5432:music:*:two\r
db.example:5433:*:anna:thr\\:ee\\\\\\x
localhost:5432:music:anna:local
127.0.0.1:*:*:anna:by address
*:*:*:berta:four:five
\\:\\:1:5432:music:carla:six
::2:5432:music:carla:bare
a\\:b:5432:c\\\\d:*:seven\\
db.example:5432:music:emil
@abstract:5432:music:anna:hidden
/somewhere:5432:music:anna:folder
*:*:dora:dora:the default database
*:*:*:frieda:
"""

SERVICES = """# services
[radio]
host=db.example
port=5433
 user=anna
user=berta
dbname=music
application_name=a = b
password=of the service

[spaces]
host=db.example 
port = 1
[nested]
service=radio
[broken]
host
[unknown]
hots=x
[tls]
host=db.example
sslmode=verify-full
[requires]
requiressl=1
[radio2]
host=other
"""

BASE = "host=db.example user=anna dbname=music "


def surroundings():
    pgpass = [(".pgpass", "600", PGPASS)]
    services = [(".pg_service.conf", "644", SERVICES)]
    case = lambda string, variables=(), files=(): (string, list(variables), list(files))
    yield case(BASE)
    # What counts most.
    yield case("", [("PGHOST", "env.example"), ("PGUSER", "u"), ("PGDATABASE", "d"), ("PGPORT", "7")])
    yield case(BASE + "port=9", [("PGHOST", "env.example"), ("PGUSER", "u"), ("PGDATABASE", "d"), ("PGPORT", "7")])
    yield case("postgres://anna@db.example/music", [("PGPASSWORD", "p"), ("PGAPPNAME", "x"), ("PGSSLMODE", "disable")])
    yield case(BASE + "password=''", [("PGPASSWORD", "p")])
    yield case(BASE + "application_name=''", [("PGAPPNAME", "x")])
    yield case("user=anna dbname=music host=''", [("PGHOST", "env.example")])
    yield case("postgres://anna@/music", [("PGHOST", "env.example"), ("PGPORT", "7")])
    yield case("postgres://anna@h/", [("PGDATABASE", "d")])
    yield case(BASE, [("PGPORT", "")])
    yield case(BASE, [("PGSSLMODE", "")])
    yield case(BASE, [("PGSSLMODE", "bad")])
    yield case(BASE + "sslmode=require", [("PGSSLMODE", "bad")])
    yield case(BASE, [("PGREQUIRESSL", "1")])
    yield case(BASE, [("PGREQUIRESSL", "0")])
    yield case(BASE, [("PGREQUIRESSL", "1"), ("PGSSLMODE", "disable")])
    yield case(BASE, [("PGSSLROOTCERT", "system")])
    yield case(BASE + "sslrootcert=system", [("PGSSLMODE", "require")])
    yield case(BASE, [("PGSERVICE", "radio"), ("PGHOST", "env.example")], services)
    yield case("service=radio", [("PGSERVICE", "tls"), ("PGHOST", "env.example"), ("PGPORT", "7")], services)
    yield case("postgres:///?service=radio", [], services)
    yield case("service=radio port=9 user=x", [("PGPASSWORD", "env")], services)
    for service in ["radio", "radio2", "radi", "spaces", "nested", "broken", "unknown", "tls", "requires", "nowhere", ""]:
        yield case(f"service='{service}' dbname=d user=u", [], services)
    yield case("service=radio user=u")
    own = [("own.conf", "644", "[a]\nhost=first\n[radio]\nhost=own\n"),
           ("pg_service.conf", "644", "[a]\nhost=never\n[b]\nhost=second\n")]
    for service in ["a", "b", "c", "radio"]:
        yield case(f"service={service} user=u dbname=d",
                   [("PGSERVICEFILE", "%DIR%/own.conf"), ("PGSYSCONFDIR", "%DIR%")], own + services)
        yield case(f"service={service} user=u dbname=d", [("PGSYSCONFDIR", "%DIR%")], own + services)
    yield case("service=a user=u", [("PGSERVICEFILE", "%DIR%/missing"), ("PGSYSCONFDIR", "%DIR%")], own)
    # The password file.
    for login in ["host=db.example user=anna dbname=music", "host=db.example user=zoe dbname=music",
                  "host=db.example port=5433 user=anna dbname=x", "host=db.example port=5434 user=anna dbname=x",
                  "host=elsewhere user=berta dbname=x", "hostaddr=127.0.0.1 user=anna dbname=x",
                  "host=db.example hostaddr=127.0.0.1 user=anna dbname=music", "hostaddr=::1 user=carla dbname=music",
                  "hostaddr=::2 user=carla dbname=music",
                  "host=/var/run/postgresql user=anna dbname=music", "host=/somewhere user=anna dbname=music",
                  "host=@abstract user=anna dbname=music", "user=anna dbname=music", "host=x user=dora",
                  "host=db.example user=emil dbname=music", "host=db.example user=frieda dbname=music",
                  "host=DB.example user=anna dbname=music", "host=localhost user=anna dbname=music port=' 5432'",
                  "host=elsewhere,db.example port=1,5432 user=anna dbname=music",
                  "host=db.example user=anna dbname=music password=given",
                  "host=db.example user=anna dbname=music password=''"]:
        yield case(login, [], pgpass)
    other = [("elsewhere", "600", "*:*:*:*:from elsewhere\n")]
    yield case(BASE, [("PGPASSFILE", "%DIR%/elsewhere")], pgpass + other)
    yield case(BASE + "passfile=%DIR%/elsewhere", [("PGPASSFILE", "%DIR%/.pgpass")], pgpass + other)
    yield case(BASE + "passfile=''", [], pgpass)
    yield case(BASE + "passfile=%DIR%/missing", [], pgpass)
    yield case(BASE + "passfile=%DIR%", [], pgpass)
    for mode in ["600", "400", "640", "604", "700", "660", "601"]:
        yield case(BASE, [], [(".pgpass", mode, PGPASS)])
    yield case(BASE, [("PGPASSWORD", "env")], pgpass)
    yield case(BASE, [], [(".pgpass", "600", "*:*:*:*:no newline")])
    yield case(BASE, [], [(".pgpass", "600", "*:*:*:*:crlf\r\r\n")])
    yield case(BASE, [], [(".pgpass", "600", "#*:*:*:*:remark\n\n *:*:*:*:space\n*:*:*:*:last \n")])
    # What is taken and what is not.
    at = "host=127.0.0.1 user=u dbname=d "
    for words in """port=0 port=1 port=65535 port=65536 port=-1 port=x port=1x port='+1' port='' port=99999999999
        connect_timeout=0 connect_timeout=1 connect_timeout=-1 connect_timeout=x connect_timeout='' connect_timeout=99999999999
        keepalives=0 keepalives=1 keepalives=2 keepalives=x keepalives=''
        keepalives_idle=1 keepalives_idle=0 keepalives_idle=x keepalives_interval=1 keepalives_interval=x
        keepalives_count=1 keepalives_count=x tcp_user_timeout=1 tcp_user_timeout=0 tcp_user_timeout=x
        sslmode=disable sslmode=allow sslmode=prefer sslmode=Require sslmode='' sslmode=verify_full
        sslnegotiation=postgres sslnegotiation=direct sslnegotiation='' sslnegotiation=x
        sslcertmode=disable sslcertmode=allow sslcertmode=x sslcertmode='' sslsni=0 sslsni=1 sslsni='' sslsni=x
        sslcompression=1 sslcompression=x ssl_min_protocol_version=TLSv1 ssl_min_protocol_version=tlsv1.3
        ssl_min_protocol_version=1.3 ssl_min_protocol_version='' ssl_max_protocol_version=TLSv1.2
        ssl_max_protocol_version=SSLv3 channel_binding=disable channel_binding=prefer channel_binding=require
        channel_binding='' channel_binding=x require_auth='' require_auth=none require_auth=md5,scram-sha-256
        require_auth=!md5,!password require_auth=md5,!password require_auth=md5,md5 require_auth=x require_auth=md5,
        gssencmode=disable gssencmode='' gssencmode=x krbsrvname=x gsslib=gssapi gssdelegation=1
        target_session_attrs=any target_session_attrs=read-write target_session_attrs=read-only
        target_session_attrs=primary target_session_attrs=standby target_session_attrs=prefer-standby
        target_session_attrs='' target_session_attrs=x target_session_attrs=Any
        load_balance_hosts=disable load_balance_hosts=random load_balance_hosts='' load_balance_hosts=x
        min_protocol_version=3.0 min_protocol_version=3.2 min_protocol_version=latest min_protocol_version=''
        min_protocol_version=3 min_protocol_version=3.1 max_protocol_version=3.0 max_protocol_version=3.2
        max_protocol_version=latest max_protocol_version='' max_protocol_version=3.1 max_protocol_version=4.0
        client_encoding=auto client_encoding=LATIN1 replication=true replication=x
        oauth_scope=x sslcrl=/nowhere sslcrldir=/nowhere""".split():
        yield case(at + words)
    for words in ["connect_timeout=' 5 '", "connect_timeout='5 6'", "port=' 1 '", "sslrootcert=system",
                  "sslrootcert=system sslmode=verify-full", "sslrootcert=system sslmode=verify-ca",
                  "sslrootcert=system sslmode=disable", "sslmode=require sslnegotiation=direct",
                  "sslmode=allow sslnegotiation=direct", "sslmode=disable sslnegotiation=direct",
                  "ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2",
                  "ssl_min_protocol_version=TLSv1.2 ssl_max_protocol_version=TLSv1.3",
                  "min_protocol_version=3.2 max_protocol_version=3.0",
                  "min_protocol_version=3.2 max_protocol_version=3.2"]:
        yield case(at + words)
    for words in ["host=a,b port=1,2,3", "host=a,b port=1,", "host=a,b port=,", "host=a port=1,2", "host=a, port=1",
                  "hostaddr=127.0.0.1 host=a,b", "hostaddr=127.0.0.1,127.0.0.1 host=a", "hostaddr=localhost",
                  "hostaddr=127.0.0.1,127.0.0.1", "hostaddr=127.0.0.1,127.0.0.1 host=''",
                  "hostaddr=127.0.0.1, host=,127.0.0.1", "hostaddr=::1 port=1", "hostaddr=127.0.0.1 host=/tmp",
                  "port=1,2", "host=127.0.0.1,127.0.0.1 port=1"]:
        yield case("user=u dbname=d " + words)


# What libpq says when it has taken all settings and only did not reach a server.
REACHED = ["failed: Connection refused", "failed: No such file", "could not translate host name", "failed: timeout",
           "failed: Network is unreachable", "No route to host", "failed: Cannot assign"]


def surrounded(string, variables, files):
    """The lines of an answer."""
    with tempfile.TemporaryDirectory() as folder:
        for name, mode, text in files:
            path = pathlib.Path(folder, name)
            path.write_text(text, newline="")
            path.chmod(int(mode, 8))
        at = lambda text: text.replace("%DIR%", folder)
        for name in [name for name in os.environ if name.startswith("PG")]:
            del os.environ[name]
        os.environ["HOME"] = folder
        os.environ.setdefault("PGSYSCONFDIR", folder)
        for name, value in variables:
            os.environ[name] = at(value)
        connection = pq.PGconn.connect(at(string).encode())
        message = connection.error_message.decode()
        lines = message.strip().split("\n")
        if not all(any(mark in line for mark in REACHED) or line.startswith("\t") for line in lines):
            return ["no " + escape(lines[0].replace(folder, "%DIR%"))]
        out = ["ok"]
        for option in connection.info:
            name = option.keyword.decode()
            if option.val not in (None, option.compiled) and name not in ("password", "passfile"):
                out.append(f"word {name} {escape(option.val.decode().replace(folder, '%DIR%'))}")
        out.append("password " + escape(connection.password.decode()))
        return out


def write():
    if pq.version() < VERSION:
        sys.exit(f"libpq 18 is needed, this is {pq.version()}")
    lines = [f"# libpq {pq.version()}, by generate.py"]
    for string in strings():
        lines.append("\t".join(map(escape, [string] + answer(string))))
    (HERE / "strings.txt").write_text("\n".join(lines) + "\n")
    out = [f"# libpq {pq.version()}, by generate.py"]
    count = 0
    for string, variables, files in surroundings():
        count += 1
        out.append("")
        out += [f"file {mode} {name} {escape(text)}" for name, mode, text in files]
        out += [f"set {name} {escape(value)}" for name, value in variables]
        out.append("string " + escape(string))
        out += surrounded(string, variables, files)
    (HERE / "surroundings.txt").write_text("\n".join(out) + "\n")
    print(len(lines) - 1, "strings,", count, "surroundings")


if sys.argv[1:] == ["answer"]:
    if pq.version() < VERSION:
        sys.exit(f"libpq 18 is needed, this is {pq.version()}")
    for line in sys.stdin.buffer.read().decode().split("\n"):
        print("\t".join(map(escape, [unescape(line)] + answer(unescape(line)))))
else:
    write()
