use proptest::prelude::*;

use super::tree::{Kind, Part, RedirectOperator, Word};
use super::{Dialect, Parser};

#[test]
fn real_scripts_are_parsed() {
    for script in [
        "#!/bin/sh\nset -e\nif [ \"$1\" = x ] && ! test -e /a; then\n:\nelif true; then a; else b; fi\n",
        "case \"$1\" in\n  a|b) x;;\n  (c)\n y\n ;;\n *)\n exit 1\nesac\n",
        "f() {\n  local a=$1 b\n  return 0\n}\nf \"$@\" >/dev/null 2>&1 || true\n",
        "cat <<EOF\nif then $x\nEOF\necho `which a` ${b:-c} ${d%%x} $((1+2))\n",
        "for i in a b; do echo $i; done\nwhile read x; do :; done < /etc/passwd\n",
        "x=1 y= cmd a\\ b 'c d' \"e $f\"\n(cd /; ls) | grep -q x && { y; }\n",
        "for s; do\n x\ndone\nfor t do y; done\nfor u\nin a; do z; done",
        "case x in esac\ncase $x in a) ;; b) c\nesac",
        "a=`echo \\`b\\``; c=\"`echo \"d\"`\"; e=${f:-\"${g}\"} h=\"${i#'j'}\"",
        "f() { if a; then b; fi }; ( { a; } ); { ( b ) }; while a; do { b; } done",
        "if a; then b; fi >c 2>&1; { d; } <e; f() (g)\n",
    ] {
        let parsed = Parser::new(script.as_bytes(), Dialect::Posix).all();
        parsed.unwrap_or_else(|error| panic!("{script}: {error:?}"));
    }
}

#[test]
fn bash_is_parsed() {
    for script in [
        "if [[ $a == b* && ! ( -f $c || $d =~ ^(x|y z)$ ) ]]; then :; fi",
        "a=(1 2 [5]=3); a+=(4); a[1]=x; echo ${a[@]} ${#a[*]} ${!a[@]} ${b/c/d} ${e//\\//_}",
        "function f { local -a x=(1 2); }; function g() { :; }",
        "cat <<<\"$x\" &>/dev/null; echo $'a\\nb' ${x^^} ${y:1:2} $(( 2**3 ))",
        "for ((i=0; i<3; i++)); do (( i++ )); done; case a in b) c;& d) e;;& esac",
    ] {
        let parsed = Parser::new(script.as_bytes(), Dialect::Bash).all();
        parsed.unwrap_or_else(|error| panic!("{script}: {error:?}"));
    }
}

#[test]
fn what_is_not_shell_is_refused_with_its_line() {
    for (script, line) in [
        ("a\nif b; then\n", 3),
        ("fi", 1),
        ("a;;", 1),
        ("a\nb)\n", 2),
        ("\n\n'x", 3),
        ("\n\"x", 2),
        ("a | | b", 1),
        ("if ; then a; fi", 1),
        ("f() ", 1),
        ("case a in b c) esac", 1),
        ("echo $(a", 1),
        ("a && ", 1),
        ("> ", 1),
        ("; a", 1),
        ("& a", 1),
        ("for 1 in a; do b; done", 1),
    ] {
        let error = Parser::new(script.as_bytes(), Dialect::Posix).all().unwrap_err();
        assert_eq!(error.line, line, "{script}: {error}");
    }
}

#[test]
fn lines_are_known() {
    let script = "#!/bin/sh\n\ncat <<E\nx\nE\nfoo\n";
    let nodes = Parser::new(script.as_bytes(), Dialect::Posix).all().unwrap();
    let last = nodes.last().unwrap();
    assert_eq!(last.first.commands.first().unwrap().line, 6);
}

#[test]
fn here_documents_belong_to_their_operator() {
    let script = "cat <<A <<-'B'; c\na $x\nA\n\t$b\n\tB\n";
    let nodes = Parser::new(script.as_bytes(), Dialect::Posix).all().unwrap();
    let command = nodes.first().unwrap().first.commands.first().unwrap();
    assert!(matches!(command.kind, Kind::Simple(_)));
    let texts: Vec<Word> = command
        .redirects
        .iter()
        .map(|redirect| match &redirect.operator {
            RedirectOperator::Here(text) => text.get().unwrap().clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(texts.len(), 2);
    assert_eq!(texts[0].parts[0], Part::Quoted("a ".into()));
    assert_eq!(texts[1], Word::quoted("$b\n"));
}

#[test]
fn nesting_is_bounded() {
    for (open, dialect) in [
        ("(", Dialect::Posix),
        ("$(", Dialect::Posix),
        ("\"$(", Dialect::Posix),
        ("${a:-", Dialect::Posix),
        ("{ ", Dialect::Posix),
        ("if ", Dialect::Posix),
        ("f() ", Dialect::Posix),
        ("\"${a:-\"", Dialect::Posix),
        ("$((", Dialect::Posix),
        ("[[ ! ( ", Dialect::Bash),
        ("! ", Dialect::Bash),
    ] {
        let script = open.repeat(50_000);
        assert!(Parser::new(script.as_bytes(), dialect).all().is_err(), "{open}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        for dialect in [Dialect::Posix, Dialect::Bash] {
            let _ = Parser::new(&text, dialect).all();
        }
    }

    #[test]
    fn near_shell_never_panics(
        text in "((if|then|fi|case|in|esac|\\{|\\}|do|done|while|for|f\\(\\)|\\$\\(|\\$\\{|\\$\\(\\(|\\)|\\(|\\(\\(|`|'|\"|<<E|<<<|>&|;;|&&|\\||a|=|x|\\[\\[|\\]\\]|\\[|a=\\(|\\\\)[ \n;]?){0,40}"
    ) {
        for dialect in [Dialect::Posix, Dialect::Bash] {
            let _ = Parser::new(text.as_bytes(), dialect).all();
        }
    }
}
