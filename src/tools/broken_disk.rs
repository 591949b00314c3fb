//! Every program that reads a file ends with a stop of this machine when the disk fails under it:
//! neither with a status, as if the image had no such file, nor with a stop that its package
//! would be left alone for.

use super::testing::Image;

#[test]
fn programs_tell_a_broken_disk_from_a_file_that_is_not_there() {
    let mut wrong = Vec::new();
    for line in [
        "cat /broken",
        "head -n 1 /broken",
        "tail -n 1 /broken",
        "wc -l /broken",
        "sort /broken",
        "uniq /broken",
        "cut -c 1 /broken",
        "grep x /broken",
        "grep -r x /folder",
        "sed s/x/y/ /broken",
        "sed -i s/x/y/ /broken",
        "sed -f /broken /whole",
        "awk 1 /broken",
        "awk -f /broken /whole",
        "cmp /broken /same",
        "cmp /same /broken",
        "diff /broken /same",
        "md5sum /broken",
        "sha256sum /broken",
        "md5sum -c /broken",
        "base64 /broken",
        "xargs -a /broken echo",
        "openssl rehash /certificates",
        "sh /broken",
        "sh -e /source",
        "bash /broken",
        "run-parts /programs",
        "ldconfig",
        "find /folder -exec cat {} +",
    ] {
        let hundred = "x".repeat(100);
        let mut image = Image::new(&[
            "/whole=x\n",
            &format!("/same={hundred}"),
            "/folder/",
            "/certificates/",
            "/programs/",
            "/source=. /broken\n",
        ]);
        for path in
            ["/broken", "/folder/x", "/certificates/x.pem", "/programs/x", "/usr/bin/ldconfig"]
        {
            image.break_file(path);
        }
        let words: Vec<&str> = line.split(' ').collect();
        match image.call(&words, "") {
            Ok(status) => wrong.push(format!("{line}: status {status}, {}", image.errors())),
            Err(stop) if stop.is_of_this_machine && stop.detail.contains("Input/output error") => {}
            Err(stop) => wrong.push(format!("{line}: {stop}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
