//! Tags: numbers that say what a value of a header is about.
//!
//! Those that this program reads or writes, with rpm's names and numbers. Source: rpm
//! `include/rpm/rpmtag.h`. Tags 1000 to 1008 mean something else in signature headers: see
//! [`signature`].

use std::fmt;

/// What a value of a header is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u32);

macro_rules! tags {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        $($(#[$doc])* pub const $name: Tag = Tag($number);)*

        /// Numbers and rpm's names, sorted.
        const NAMES: &[(u32, &str)] = &[$(($number, stringify!($name))),*];
    };
}

tags! {
    /// The region of headers that rpm 3 databases kept.
    HEADERIMAGE = 61;
    /// The region of a signature header.
    HEADERSIGNATURES = 62;
    /// The region of a package's own header.
    HEADERIMMUTABLE = 63;
    /// The languages of all texts that are in several.
    HEADERI18NTABLE = 100;
    /// Bytes of header and payload in the archive.
    SIGSIZE = 257;
    /// OpenPGP signature (RSA) over header and payload.
    SIGPGP = 259;
    /// MD5 of header and payload.
    SIGMD5 = 261;
    /// OpenPGP signature (DSA) over header and payload.
    SIGGPG = 262;
    /// As `SIGPGP`, by PGP 5.
    SIGPGP5 = 263;
    /// The key itself, of `gpg-pubkey` headers; base64.
    PUBKEYS = 266;
    /// OpenPGP signature over the header, by other keys than RSA.
    DSAHEADER = 267;
    /// OpenPGP signature over the header, by an RSA key.
    RSAHEADER = 268;
    /// SHA-1 of the header, hexadecimal.
    SHA1HEADER = 269;
    /// As `SIGSIZE`, 64 bits.
    LONGSIGSIZE = 270;
    /// As `ARCHIVESIZE`, 64 bits.
    LONGARCHIVESIZE = 271;
    /// SHA-256 of the header, hexadecimal.
    SHA256HEADER = 273;
    /// In signature headers: as `FILESIGNATURES`.
    SIGFILESIGNATURES = 274;
    /// In signature headers: as `FILESIGNATURELENGTH`.
    SIGFILESIGNATURELENGTH = 275;
    /// Signatures of fs-verity, one a file.
    VERITYSIGNATURES = 276;
    /// Their hash.
    VERITYSIGNATUREALGO = 277;
    /// OpenPGP signatures over the header, in base64 (rpm 6).
    OPENPGP = 278;
    /// SHA3-256 of the header, hexadecimal (rpm 6).
    SHA3_256HEADER = 279;
    /// In signature headers of rpm 6: room.
    SIGTAG_RESERVED = 999;
    /// The package's name.
    NAME = 1000;
    /// Its version.
    VERSION = 1001;
    /// Its release.
    RELEASE = 1002;
    /// Its epoch.
    EPOCH = 1003;
    /// One line about it.
    SUMMARY = 1004;
    /// Lines about it.
    DESCRIPTION = 1005;
    /// When it was built, in seconds since the epoch.
    BUILDTIME = 1006;
    /// Where it was built.
    BUILDHOST = 1007;
    /// When it was installed, in seconds since the epoch.
    INSTALLTIME = 1008;
    /// Bytes that its files have.
    SIZE = 1009;
    /// Its distribution.
    DISTRIBUTION = 1010;
    /// Its vendor.
    VENDOR = 1011;
    /// Its licence.
    LICENSE = 1014;
    /// Who packed it.
    PACKAGER = 1015;
    /// Its group.
    GROUP = 1016;
    /// Its home page.
    URL = 1020;
    /// Its operating system.
    OS = 1021;
    /// Its architecture.
    ARCH = 1022;
    /// `%pre`.
    PREIN = 1023;
    /// `%post`.
    POSTIN = 1024;
    /// `%preun`.
    PREUN = 1025;
    /// `%postun`.
    POSTUN = 1026;
    /// Whole paths, in packages of rpm 3.
    OLDFILENAMES = 1027;
    /// Bytes of each file.
    FILESIZES = 1028;
    /// What became of each file when it was installed.
    FILESTATES = 1029;
    /// Type and permissions of each file.
    FILEMODES = 1030;
    /// Device numbers of each file.
    FILERDEVS = 1033;
    /// When each file was changed.
    FILEMTIMES = 1034;
    /// Digest of each file.
    FILEDIGESTS = 1035;
    /// Target of each symbolic link.
    FILELINKTOS = 1036;
    /// Flags of each file.
    FILEFLAGS = 1037;
    /// Owner of each file.
    FILEUSERNAME = 1039;
    /// Group of each file.
    FILEGROUPNAME = 1040;
    /// The file name of its source package.
    SOURCERPM = 1044;
    /// What is verified of each file.
    FILEVERIFYFLAGS = 1045;
    /// Bytes of the payload when it is not compressed.
    ARCHIVESIZE = 1046;
    /// What it provides.
    PROVIDENAME = 1047;
    /// Flags of what it requires.
    REQUIREFLAGS = 1048;
    /// What it requires.
    REQUIRENAME = 1049;
    /// Versions of what it requires.
    REQUIREVERSION = 1050;
    /// Flags of what it conflicts with.
    CONFLICTFLAGS = 1053;
    /// What it conflicts with.
    CONFLICTNAME = 1054;
    /// Versions of what it conflicts with.
    CONFLICTVERSION = 1055;
    /// The rpm that built it.
    RPMVERSION = 1064;
    /// Scripts of triggers.
    TRIGGERSCRIPTS = 1065;
    /// Packages that set off triggers.
    TRIGGERNAME = 1066;
    /// Their versions.
    TRIGGERVERSION = 1067;
    /// Their flags.
    TRIGGERFLAGS = 1068;
    /// The script of each.
    TRIGGERINDEX = 1069;
    /// `%verifyscript`.
    VERIFYSCRIPT = 1079;
    /// Time of each entry of the changelog.
    CHANGELOGTIME = 1080;
    /// Author of each entry of the changelog.
    CHANGELOGNAME = 1081;
    /// Text of each entry of the changelog.
    CHANGELOGTEXT = 1082;
    /// Interpreter of `%pre`, with its arguments.
    PREINPROG = 1085;
    /// Interpreter of `%post`, with its arguments.
    POSTINPROG = 1086;
    /// Interpreter of `%preun`, with its arguments.
    PREUNPROG = 1087;
    /// Interpreter of `%postun`, with its arguments.
    POSTUNPROG = 1088;
    /// What it obsoletes.
    OBSOLETENAME = 1090;
    /// Interpreter of `%verifyscript`, with its arguments.
    VERIFYSCRIPTPROG = 1091;
    /// Interpreters of scripts of triggers.
    TRIGGERSCRIPTPROG = 1092;
    /// Build host and time.
    COOKIE = 1094;
    /// Device of each file, which tells hard links apart.
    FILEDEVICES = 1095;
    /// Inode of each file, which tells hard links apart.
    FILEINODES = 1096;
    /// Languages of each file.
    FILELANGS = 1097;
    /// Where it can be moved to.
    PREFIXES = 1098;
    /// Whether it is a source package.
    SOURCEPACKAGE = 1106;
    /// Flags of what it provides.
    PROVIDEFLAGS = 1112;
    /// Versions of what it provides.
    PROVIDEVERSION = 1113;
    /// Flags of what it obsoletes.
    OBSOLETEFLAGS = 1114;
    /// Versions of what it obsoletes.
    OBSOLETEVERSION = 1115;
    /// Folder of each file, a place in `DIRNAMES`.
    DIRINDEXES = 1116;
    /// Name of each file in its folder.
    BASENAMES = 1117;
    /// Folders.
    DIRNAMES = 1118;
    /// Form of the payload: `cpio`.
    PAYLOADFORMAT = 1124;
    /// Compression of the payload.
    PAYLOADCOMPRESSOR = 1125;
    /// Level of the compression.
    PAYLOADFLAGS = 1126;
    /// Colours of the machine it was installed on.
    INSTALLCOLOR = 1127;
    /// Number of the transaction that installed it.
    INSTALLTID = 1128;
    /// Colour of each file: 1 is 32-bit ELF, 2 is 64-bit ELF.
    FILECOLORS = 1140;
    /// Class of each file, a place in `CLASSDICT`.
    FILECLASS = 1141;
    /// Classes of files.
    CLASSDICT = 1142;
    /// Where the dependencies of each file begin in `DEPENDSDICT`.
    FILEDEPENDSX = 1143;
    /// How many dependencies each file has.
    FILEDEPENDSN = 1144;
    /// Dependencies of files: a letter for the kind in the highest byte, and the place among those.
    DEPENDSDICT = 1145;
    /// `%pretrans`.
    PRETRANS = 1151;
    /// `%posttrans`.
    POSTTRANS = 1152;
    /// Interpreter of `%pretrans`, with its arguments.
    PRETRANSPROG = 1153;
    /// Interpreter of `%posttrans`, with its arguments.
    POSTTRANSPROG = 1154;
    /// What it suggests, as SUSE once wrote.
    OLDSUGGESTSNAME = 1156;
    /// Versions of it.
    OLDSUGGESTSVERSION = 1157;
    /// Flags of it.
    OLDSUGGESTSFLAGS = 1158;
    /// What it enhances, as SUSE once wrote.
    OLDENHANCESNAME = 1159;
    /// Versions of it.
    OLDENHANCESVERSION = 1160;
    /// Flags of it.
    OLDENHANCESFLAGS = 1161;
    /// As `FILESIZES`, 64 bits.
    LONGFILESIZES = 5008;
    /// As `SIZE`, 64 bits.
    LONGSIZE = 5009;
    /// Capabilities of each file, as text.
    FILECAPS = 5010;
    /// Number of the hash of `FILEDIGESTS` (RFC 9580); MD5 where it is missing.
    FILEDIGESTALGO = 5011;
    /// Flags of `%pre`.
    PREINFLAGS = 5020;
    /// Flags of `%post`.
    POSTINFLAGS = 5021;
    /// Flags of `%preun`.
    PREUNFLAGS = 5022;
    /// Flags of `%postun`.
    POSTUNFLAGS = 5023;
    /// Flags of `%pretrans`.
    PRETRANSFLAGS = 5024;
    /// Flags of `%posttrans`.
    POSTTRANSFLAGS = 5025;
    /// Flags of `%verifyscript`.
    VERIFYSCRIPTFLAGS = 5026;
    /// Flags of scripts of triggers.
    TRIGGERSCRIPTFLAGS = 5027;
    /// What it is to be installed after.
    ORDERNAME = 5035;
    /// Versions of it.
    ORDERVERSION = 5036;
    /// Flags of it.
    ORDERFLAGS = 5037;
    /// What it recommends.
    RECOMMENDNAME = 5046;
    /// Versions of it.
    RECOMMENDVERSION = 5047;
    /// Flags of it.
    RECOMMENDFLAGS = 5048;
    /// What it suggests.
    SUGGESTNAME = 5049;
    /// Versions of it.
    SUGGESTVERSION = 5050;
    /// Flags of it.
    SUGGESTFLAGS = 5051;
    /// What it supplements.
    SUPPLEMENTNAME = 5052;
    /// Versions of it.
    SUPPLEMENTVERSION = 5053;
    /// Flags of it.
    SUPPLEMENTFLAGS = 5054;
    /// What it enhances.
    ENHANCENAME = 5055;
    /// Versions of it.
    ENHANCEVERSION = 5056;
    /// Flags of it.
    ENHANCEFLAGS = 5057;
    /// Encoding of its texts: `utf-8`.
    ENCODING = 5062;
    /// Scripts of file triggers.
    FILETRIGGERSCRIPTS = 5066;
    /// Their interpreters.
    FILETRIGGERSCRIPTPROG = 5067;
    /// Their flags.
    FILETRIGGERSCRIPTFLAGS = 5068;
    /// Prefixes of paths that set off file triggers.
    FILETRIGGERNAME = 5069;
    /// The script of each.
    FILETRIGGERINDEX = 5070;
    /// Empty, one a prefix.
    FILETRIGGERVERSION = 5071;
    /// Their flags.
    FILETRIGGERFLAGS = 5072;
    /// Scripts of file triggers of transactions.
    TRANSFILETRIGGERSCRIPTS = 5076;
    /// Their interpreters.
    TRANSFILETRIGGERSCRIPTPROG = 5077;
    /// Their flags.
    TRANSFILETRIGGERSCRIPTFLAGS = 5078;
    /// Prefixes of paths that set them off.
    TRANSFILETRIGGERNAME = 5079;
    /// The script of each.
    TRANSFILETRIGGERINDEX = 5080;
    /// Empty, one a prefix.
    TRANSFILETRIGGERVERSION = 5081;
    /// Their flags.
    TRANSFILETRIGGERFLAGS = 5082;
    /// Priority of each script of file triggers.
    FILETRIGGERPRIORITIES = 5084;
    /// Priority of each script of file triggers of transactions.
    TRANSFILETRIGGERPRIORITIES = 5085;
    /// Signatures of IMA, one a file.
    FILESIGNATURES = 5090;
    /// Bytes of the longest of them.
    FILESIGNATURELENGTH = 5091;
    /// SHA-256 of the payload as it is in the archive, hexadecimal.
    PAYLOADSHA256 = 5092;
    /// Number of the hash of the two digests of the payload.
    PAYLOADSHA256ALGO = 5093;
    /// Stream of a module that it was built for.
    MODULARITYLABEL = 5096;
    /// SHA-256 of the payload when it is not compressed, hexadecimal.
    PAYLOADSHA256ALT = 5097;
    /// `%preuntrans`.
    PREUNTRANS = 5103;
    /// `%postuntrans`.
    POSTUNTRANS = 5104;
    /// Interpreter of `%preuntrans`, with its arguments.
    PREUNTRANSPROG = 5105;
    /// Interpreter of `%postuntrans`, with its arguments.
    POSTUNTRANSPROG = 5106;
    /// Flags of `%preuntrans`.
    PREUNTRANSFLAGS = 5107;
    /// Flags of `%postuntrans`.
    POSTUNTRANSFLAGS = 5108;
    /// Bytes of the payload as it is in the archive (rpm 6).
    PAYLOADSIZE = 5112;
    /// Bytes of the payload when it is not compressed (rpm 6).
    PAYLOADSIZEALT = 5113;
    /// Form of the package: 6; missing in older ones.
    RPMFORMAT = 5114;
    /// Digests of the whole archive, hexadecimal (rpm 6).
    PACKAGEDIGESTS = 5118;
    /// Numbers of their hashes.
    PACKAGEDIGESTALGOS = 5119;
    /// SHA-512 of the payload as it is in the archive, hexadecimal.
    PAYLOADSHA512 = 5121;
    /// SHA-512 of the payload when it is not compressed, hexadecimal.
    PAYLOADSHA512ALT = 5122;
    /// SHA3-256 of the payload as it is in the archive, hexadecimal.
    PAYLOADSHA3_256 = 5123;
    /// SHA3-256 of the payload when it is not compressed, hexadecimal.
    PAYLOADSHA3_256ALT = 5124;
}

/// Tags of signature headers that other headers know by another number.
pub mod signature {
    use super::Tag;

    /// As [`super::SIGSIZE`].
    pub const SIZE: Tag = Tag(1000);
    /// As [`super::SIGPGP`].
    pub const PGP: Tag = Tag(1002);
    /// As [`super::SIGMD5`].
    pub const MD5: Tag = Tag(1004);
    /// As [`super::SIGGPG`].
    pub const GPG: Tag = Tag(1005);
    /// As [`super::SIGPGP5`].
    pub const PGP5: Tag = Tag(1006);
    /// As [`super::ARCHIVESIZE`].
    pub const PAYLOADSIZE: Tag = Tag(1007);
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.binary_search_by_key(&self.0, |&(number, _)| number) {
            Ok(at) => f.pad(NAMES.get(at).map_or("", |&(_, name)| name)),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_number() {
        assert!(NAMES.is_sorted());
        assert_eq!(NAME.to_string(), "NAME");
        assert_eq!(Tag(4711).to_string(), "4711");
    }
}
