import LongtakeCore
import LongtakeDaemonDriver
import LongtakeTesting
import Testing

/// `/v1/files`.
@Suite struct FileTests {
    /// The SHA-256 of `abc` (FIPS 180-4, example).
    private static let abc = "sha-256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    private static let digest = "Repr-Digest: sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:"

    private static func upload(_ fields: [String] = [], _ body: String, to daemon: some DaemonClient) throws -> Exchange
    {
        let head = ["POST /v1/files HTTP/1.1", "Host: localhost", "Content-Length: \(body.utf8.count)"] + daemon.fields
        return try daemon.connect().exchange((head + fields).joined(separator: "\r\n") + "\r\n\r\n" + body)
    }

    @Test("stores a file once, and shows, lists, returns and deletes it")
    func life() async throws {
        try await LocalDaemon.run { daemon in
            let new = try Self.upload(
                ["Content-Disposition: attachment; filename=a.txt", Self.digest], "abc", to: daemon)
            #expect(new.status == 201)
            #expect(try new.text("id") == Self.abc)
            #expect(try new.text("name") == "a.txt")
            #expect(try new.text("type") == "text/plain")
            #expect(new["location"] == "/v1/files/\(Self.abc)")
            let known = try Self.upload([], "abc", to: daemon)
            #expect(known.status == 200)
            #expect(try daemon.get("/v1/files/\(Self.abc.replacing(":", with: "%3A"))").text("id") == Self.abc)
            #expect(try daemon.request("HEAD", "/v1/files/\(Self.abc)").status == 200)
            #expect(try daemon.get("/v1/files").body.contains(Self.abc))
            let content = try daemon.get("/v1/files/\(Self.abc)/content", "Range: bytes=1-")
            #expect(content.status == 206)
            #expect(content.body == "bc")
            #expect(content["content-range"] == "bytes 1-2/3")
            #expect(content["content-disposition"] == #"inline; filename="a.txt""#)
            #expect(try daemon.request("DELETE", "/v1/files/\(Self.abc)").status == 204)
            for path in ["", "/content"] { #expect(try daemon.get("/v1/files/\(Self.abc)\(path)").status == 404) }
            #expect(try daemon.request("DELETE", "/v1/files/\(Self.abc)").text("type").hasSuffix("no-such-file"))
        }
    }

    @Test("lists files by page, newest first")
    func pages() async throws {
        try await LocalDaemon.run { daemon in
            let ids = try (0..<3).map { try Self.upload([], "file \($0)", to: daemon).text("id") }
            var (seen, path) = ([String](), "/v1/files?limit=2")
            while true {
                let page = try daemon.get(path).object()
                seen += try #require(page["files"] as? [[String: Any]]).compactMap { $0["id"] as? String }
                guard let next = page["next"] as? String else { break }
                path = "/v1/files?limit=2&cursor=\(next)"
            }
            #expect(seen == ids.reversed())
            #expect(try daemon.get("/v1/files?limit=0").status == 400)
            #expect(try daemon.get("/v1/files?cursor=x").status == 400)
        }
    }

    @Test("stores nothing if the digest differs, the file is too large, or the upload is cut")
    func refusals() async throws {
        try await LocalDaemon.run { daemon in
            let wrong = try Self.upload([Self.digest], "abd", to: daemon)
            #expect(wrong.status == 400)
            #expect(try wrong.text("type").hasSuffix("digest-mismatch"))
            #expect(try Self.upload(["Repr-Digest: sha-256=x"], "abc", to: daemon).status == 400)
            let large = try daemon.connect().exchange(
                "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048577\r\n\r\n")
            #expect(large.status == 413)
            #expect(try large.text("type").hasSuffix("file-too-large"))
            let socket = try daemon.connect()
            try socket.send("POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc")
            socket.resetAtClose()
            daemon.files.setFreeBytes(1 << 30)
            let full = try Self.upload([], "abc", to: daemon)
            #expect(full.status == 507)
            daemon.files.setFreeBytes(1 << 50)
            daemon.files.fail(with: .full)
            #expect(try Self.upload([], "abc", to: daemon).text("type").hasSuffix("disk-full"))
            daemon.files.fail(with: nil)
            #expect(try daemon.get("/v1/files").body == "{\"files\":[],\"next\":null}\n")
            #expect(daemon.files.contents.isEmpty)
        }
    }

    @Test("returns 429 when the quota is used up, except for content that the digest names")
    func quota() async throws {
        try await LocalDaemon.run { daemon in
            #expect(try Self.upload([], "abc", to: daemon).status == 201)
            for letter in ["x", "y"] {
                let body = String(repeating: letter, count: 1_048_570)
                #expect(try Self.upload([], body, to: daemon).status == 201)
            }
            let refused = try Self.upload([], "a file of more than nine bytes", to: daemon)
            #expect(refused.status == 429)
            #expect(try refused.text("type").hasSuffix("too-many-bytes"))
            #expect(refused["retry-after"] != nil)
            #expect(try Self.upload([Self.digest], "abc", to: daemon).status == 200)
            #expect(daemon.files.contents.count == 3)
            #expect(daemon.files.drafts == 0)
        }
    }

    @Test("stores the file of a form")
    func form() async throws {
        try await LocalDaemon.run { daemon in
            func send(_ field: String) throws -> Exchange {
                let body =
                    "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name=\"\(field)\"; filename=\"f.txt\"\r\nContent-Type: text/plain\r\n\r\nabc\r\n--b--\r\n"
                return try Self.upload(["Content-Type: multipart/form-data; boundary=b"], body, to: daemon)
            }
            let stored = try send("content")
            #expect(stored.status == 201)
            #expect(try stored.text("id") == Self.abc)
            #expect(try stored.text("name") == "f.txt")
            #expect(try send("file").status == 200)
            #expect(try send("other").status == 400)
            #expect(try Self.upload(["Content-Type: multipart/form-data; boundary=b"], "abc", to: daemon).status == 400)
            #expect(try Self.upload(["Content-Type: multipart/form-data"], "abc", to: daemon).status == 400)
            #expect(daemon.files.contents.count == 1)
        }
    }

    @Test("belong to one tenant, and need the rights read and submit")
    func tenants() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_AUTH_MODE=keys"]) { daemon in
            let (one, two) = (try daemon.makeClient(tenant: "one"), try daemon.makeClient(tenant: "two"))
            #expect(try Self.upload([], "abc", to: one).status == 201)
            #expect(try two.get("/v1/files/\(Self.abc)").status == 404)
            #expect(try two.request("DELETE", "/v1/files/\(Self.abc)").status == 404)
            #expect(try Self.upload([], "abc", to: two).status == 201)
            let reader = try daemon.makeClient(tenant: "one", rights: "read")
            #expect(try Self.upload([], "abc", to: reader).status == 403)
            #expect(try reader.get("/v1/files/\(Self.abc)").status == 200)
            #expect(try Self.upload([], "abc", to: daemon).status == 401)
        }
    }
}
