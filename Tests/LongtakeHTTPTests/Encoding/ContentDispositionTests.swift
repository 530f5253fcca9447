import LongtakeAPI
import Testing

@testable import LongtakeHTTP

@Suite("Content-Disposition") struct ContentDispositionTests {
    @Test(
        "finds the file name in every form that clients send",
        arguments: [
            ("attachment; filename=a.png", "a.png"), (#"attachment; filename="a b.png""#, "a b.png"),
            (#"ATTACHMENT;FILENAME="a.png""#, "a.png"), (#"inline; filename="a;b=c.png""#, "a;b=c.png"),
            (#"attachment; filename="a\"b.png""#, "a\"b.png"),
            ("attachment; filename=x; filename*=UTF-8''na%C3%AFve.png", "naïve.png"),
            ("attachment; filename*=utf-8'en'%E2%82%AC.png; filename=x", "€.png"),
            ("attachment; filename*=iso-8859-1''%A3.png; filename=x.png", "x.png"),
            ("attachment; filename*=UTF-8''%A3.png; filename=x.png", "x.png"),
            ("attachment; filename*=UTF-8''%4; filename=x.png", "x.png"),
            (#"attachment; filename="C:\dir\a.png""#, "a.png"), (#"attachment; filename="../../etc/passwd""#, "passwd"),
            ("attachment; filename*=UTF-8''..%2f..%2fpasswd", "passwd"),
            ("attachment; filename*=UTF-8''a%0D%0Ab%00.png", "ab.png"), (#"attachment; filename="ü.png""#, "ü.png"),
            (#"attachment; filename="a%20b.png""#, "a%20b.png"), ("attachment; filename=a; filename=b", "a"),
        ])
    func filename(header: String, name: String) { #expect(ContentDisposition(header).filename == name) }

    @Test(
        "has no file name if there is none that a file can have",
        arguments: [
            "", "attachment", "attachment; filename", #"attachment; filename="""#, "attachment; filename=..",
            #"attachment; filename="a/..""#, "attachment; filename=/", ";;;", "attachment; name=x",
            "attachment; filename=" + String(repeating: "a", count: 256),
        ])
    func noFilename(header: String) { #expect(ContentDisposition(header).filename == nil) }

    @Test("finds the field and the file of a form, with the escapes of browsers")
    func form() {
        let part = ContentDisposition(#"form-data; name="content"; filename="a%22b%0D%0A%41.png""#)
        #expect(part.type == "form-data")
        #expect(part.name == "content")
        #expect(part.filename == #"a"b%41.png"#)
        #expect(ContentDisposition("form-data; name=file").name == "file")
    }

    @Test(
        "is written with a name in ASCII, and with the whole name if that differs",
        arguments: [
            (nil, "inline"), ("a.png", #"inline; filename="a.png""#),
            ("a b;c=d.png", #"inline; filename="a b;c=d.png""#),
            ("naïve.png", #"inline; filename="na_ve.png"; filename*=UTF-8''na%C3%AFve.png"#),
            (#"a"b\c%.png"#, #"inline; filename="a_b_c_.png"; filename*=UTF-8''a%22b%5Cc%25.png"#),
            ("a\u{85}b", #"inline; filename="a_b"; filename*=UTF-8''a%C2%85b"#),
        ] as [(String?, String)])
    func text(name: String?, header: String) {
        #expect(ContentDisposition.text(isAttachment: false, name: name) == header)
    }

    @Test(
        "returns the same name after it was written",
        arguments: ["a.png", "naïve €.png", #"a"b%41;.png"#, "日本.mp4", "'"])
    func roundTrip(name: String) {
        let header = ContentDisposition.text(isAttachment: true, name: name)
        #expect(header.utf8.allSatisfy { (0x20...0x7e).contains($0) })
        #expect(ContentDisposition(header).type == "attachment")
        #expect(ContentDisposition(header).filename == name)
    }
}

@Suite("percent-encoding") struct PercentEncodingTests {
    @Test(
        "decodes each escape once",
        arguments: [
            ("a%20b", "a b"), ("a%2520b", "a%20b"), ("%C3%BC", "ü"), ("a+b", "a+b"), ("", ""), ("%2F", "/"),
            ("%", nil), ("%4", nil), ("%zz", nil), ("%C3", nil), ("a%+1", nil),
        ] as [(String, String?)])
    func decode(text: String, decoded: String?) { #expect(PercentEncoding.decode(text) == decoded) }

    @Test("encodes all bytes that a URL reserves")
    func encode() {
        #expect(PercentEncoding.encode("a b/ü?#%&+~-._Z9") == "a%20b%2F%C3%BC%3F%23%25%26%2B~-._Z9")
    }
}
