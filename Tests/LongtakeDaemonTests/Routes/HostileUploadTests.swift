import FoundationEssentials
import Glibc
import LongtakeDaemonDriver
import Testing

@testable import longtake

/// Uploads that are cut, too slow, too long, too many or wrong. After each of them the daemon keeps
/// no part of the file, and the whole quota is free again.
@Suite(.serialized) struct HostileUploadTests {
    /// The largest file, which is also the quota of the tenant.
    private static let limit = 2_000_000
    private static let limits = [
        "LONGTAKE_LIMITS_FILE_MEGABYTES=2", "LONGTAKE_LIMITS_FILE_GIGABYTES_PER_TENANT=0.002",
        "LONGTAKE_STORAGE_MIN_FREE_GIGABYTES=0",
    ]

    /// The head of an upload.
    private static func head(_ fields: String...) -> String { head(fields) }

    private static func head(_ fields: [String]) -> String {
        (["POST /v1/files HTTP/1.1", "Host: localhost"] + fields).joined(separator: "\r\n") + "\r\n\r\n"
    }

    private static func upload(_ count: Int, _ letter: String, to daemon: some DaemonClient) throws -> Exchange {
        let head = head(["Content-Length: \(count)"] + daemon.fields)
        return try daemon.connect().exchange(head + String(repeating: letter, count: count))
    }

    /// The paths of the files in one of the directories of the store.
    private static func files(in name: String, of daemon: DaemonProcess) -> [String] {
        let root = daemon.directory + "/data/files/" + name
        let paths = (try? FileManager.default.subpathsOfDirectory(atPath: root)) ?? []
        return paths.map { "\(root)/\($0)" }.filter { path in
            var isDirectory = false
            return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && !isDirectory
        }
    }

    private static func eventually(_ what: String, _ condition: () throws -> Bool) throws {
        let deadline = Deadline(20)
        while try !condition() {
            try #require(!deadline.isOver, "not within 20 s: \(what)")
            poll(nil, 0, 20)
        }
    }

    /// Checks that nothing is left of an upload: no part of it, no bytes and no place.
    ///
    /// The daemon returns the reservation of an upload when its route has ended, which may be after
    /// the response.
    private static func expectNothingLeft(_ what: String, in daemon: DaemonProcess) throws {
        try eventually("the file that needs the whole quota fits after \(what)") {
            let whole = try upload(limit, "w", to: daemon)
            guard whole.status == 201 else { return false }
            return try daemon.request("DELETE", "/v1/files/\(try whole.text("id"))").status == 204
        }
        try eventually("no draft after \(what)") { files(in: "drafts", of: daemon).isEmpty }
        try eventually("no content after \(what)") { files(in: "tenants", of: daemon).isEmpty }
    }

    @Test("of a client that disconnects, with a reset or orderly, leave nothing")
    func cut() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: Self.limits)
            for isReset in [true, false] {
                let socket = try daemon.connect()
                try socket.send(Self.head("Content-Length: \(Self.limit)") + String(repeating: "c", count: 500_000))
                try Self.eventually("a draft") { !Self.files(in: "drafts", of: daemon).isEmpty }
                if isReset {
                    socket.resetAtClose()
                } else {
                    socket.finishSending()
                    #expect(try socket.readToEnd().isEmpty)
                }
            }
            try Self.expectNothingLeft("two cuts", in: daemon)
        }
    }

    @Test("that send less than 64 KiB in 10 s get 408 and leave nothing", .tags(.slow))
    func slow() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: Self.limits)
            let socket = try daemon.connect()
            try socket.send(Self.head("Content-Length: \(Self.limit)") + "slow")
            #expect(try socket.readResponse(within: 30).status == 408)
            try Self.expectNothingLeft("a slow upload", in: daemon)
        }
    }

    @Test("that are too long get 413, whether the length is declared or not, and leave nothing")
    func long() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: Self.limits)
            let declared = try daemon.connect().exchange(Self.head("Content-Length: \(Self.limit + 1)"))
            #expect(declared.status == 413)
            #expect(try declared.text("type").hasSuffix("file-too-large"))
            try Self.expectNothingLeft("a declared length", in: daemon)
            let chunked = try daemon.connect()
            let size = String(Self.limit + 1, radix: 16)
            try chunked.send(Self.head("Transfer-Encoding: chunked") + "\(size)\r\n")
            try chunked.send(String(repeating: "l", count: Self.limit + 1) + "\r\n0\r\n\r\n")
            #expect(try chunked.readResponse().status == 413)
            try Self.expectNothingLeft("chunks", in: daemon)
        }
    }

    @Test("whose digest is wrong get 400 and leave nothing")
    func digest() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: Self.limits)
            let digest = "Repr-Digest: sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:"
            let wrong = try daemon.connect().exchange(
                Self.head("Content-Length: \(Self.limit)", digest) + String(repeating: "d", count: Self.limit))
            #expect(wrong.status == 400)
            #expect(try wrong.text("type").hasSuffix("digest-mismatch"))
            try Self.expectNothingLeft("a wrong digest", in: daemon)
        }
    }

    @Test("beyond the quota get 429, whether the length is declared or not, and leave nothing")
    func quota() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: Self.limits)
            let first = try Self.upload(1_500_000, "q", to: daemon)
            #expect(first.status == 201)
            let declared = try daemon.connect().exchange(Self.head("Content-Length: 600000"))
            #expect(declared.status == 429 && declared["retry-after"] != nil)
            #expect(try declared.text("type").hasSuffix("too-many-bytes"))
            let chunked = try daemon.connect()
            try chunked.send(
                Self.head("Transfer-Encoding: chunked") + "927c0\r\n" + String(repeating: "r", count: 600_000)
                    + "\r\n0\r\n\r\n")
            #expect(try chunked.readResponse().status == 429)
            try Self.eventually("the rest of the quota is free") {
                try Self.upload(500_000, "s", to: daemon).status == 201
            }
            let files = try #require(try daemon.get("/v1/files").object()["files"] as? [[String: Any]])
            #expect(files.count == 2)
            for file in files {
                let id = try #require(file["id"] as? String)
                #expect(try daemon.request("DELETE", "/v1/files/\(id)").status == 204)
            }
            try Self.expectNothingLeft("the quota", in: daemon)
        }
    }

    @Test("of another type than the field accepts are stored, and the submission gets 422 at the field")
    func wrongType() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: Self.limits)
            let file = try Self.upload(3, "t", to: daemon).text("id")
            let body = #"{"pipeline":"demo-image-to-video","input":{"image":{"file":"\#(file)"}}}"#
            let refused = try daemon.post("/v1/jobs", body)
            #expect(refused.status == 422)
            #expect(refused.body.contains(#""/input/image""#), "\(refused.body)")
            #expect(try daemon.request("DELETE", "/v1/files/\(file)").status == 204)
            try Self.expectNothingLeft("a wrong type", in: daemon)
        }
    }

    /// The clients wait for `100 Continue`, so that all of them ask before any of them sends.
    @Test("256 of 1,000 uploads at once run, the others get 429, and other clients are served", .tags(.slow))
    func many() async throws {
        _ = DescriptorLimit.raise()
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: ["LONGTAKE_STORAGE_MIN_FREE_GIGABYTES=0"])
            let known = try Self.upload(10, "k", to: daemon).text("id")
            let sockets = try (0..<1_000).map { _ in
                let socket = try daemon.connect()
                try socket.send(Self.head("Content-Length: 4", "Expect: 100-continue"))
                return socket
            }
            var (running, refused) = ([Socket](), 0)
            for socket in sockets {
                let head = try socket.readHead()
                if head.status == 100 { running.append(socket) }
                if head.status == 429, head["retry-after"] != nil { refused += 1 }
            }
            #expect(running.count == 256 && refused == 744)
            #expect(try daemon.get("/v1/files/\(known)/content").body == "kkkkkkkkkk")
            _ = try daemon.submit()
            #expect(try Self.upload(10, "m", to: daemon).status == 429)
            for socket in running { try socket.send("many") }
            let statuses = try running.map { try $0.readResponse().status }
            #expect(statuses.count { $0 == 201 } >= 1 && statuses.allSatisfy { $0 == 201 || $0 == 200 })
            try Self.eventually("an upload is accepted") { try Self.upload(10, "m", to: daemon).status == 201 }
            try Self.eventually("no draft") { Self.files(in: "drafts", of: daemon).isEmpty }
            #expect(Self.files(in: "tenants", of: daemon).count == 3)
        }
    }

    @Test("of one key are at most 16 at once, and another key can still upload")
    func oneKey() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: ["LONGTAKE_AUTH_MODE=keys"])
            let (greedy, other) = (try daemon.makeClient(tenant: "one"), try daemon.makeClient(tenant: "two"))
            let heads = try (0..<17).map { _ in
                let socket = try daemon.connect()
                try socket.send(Self.head(["Content-Length: 4", "Expect: 100-continue"] + greedy.fields))
                return (socket, try socket.readHead().status)
            }
            #expect(heads.map(\.1) == Array(repeating: 100, count: 16) + [429])
            #expect(try Self.upload(4, "o", to: other).status == 201)
            for (socket, status) in heads where status == 100 {
                try socket.send("many")
                #expect(try socket.readResponse().status < 300)
            }
            try Self.eventually("the key can upload again") { try Self.upload(4, "n", to: greedy).status == 201 }
        }
    }

    @Test(
        "during which the disk becomes full get 507 and leave nothing",
        .enabled(if: SmallDisk.Kind.available.contains(.tmpfs)))
    func fullDisk() async throws {
        try await onOwnThread {
            let disk = try SmallDisk(.tmpfs, megabytes: 24)
            let daemon = try DaemonProcess(environment: Self.limits, directory: disk.path)
            let socket = try daemon.connect()
            try socket.send(Self.head("Content-Length: \(Self.limit)") + String(repeating: "f", count: Self.limit / 2))
            try Self.eventually("a draft with bytes") {
                Self.files(in: "drafts", of: daemon).contains {
                    FileManager.default.contents(atPath: $0).map { !$0.isEmpty } ?? false
                }
            }
            disk.fill()
            try socket.send(String(repeating: "f", count: Self.limit / 2))
            let full = try socket.readResponse()
            #expect(full.status == 507)
            #expect(try full.text("type").hasSuffix("disk-full"))
            // Removing the draft has made some room.
            disk.fill()
            let next = try daemon.connect().exchange(Self.head("Content-Length: \(Self.limit)", "Expect: 100-continue"))
            #expect(next.status == 507, "the length is reserved before the client sends")
            try Self.eventually("no draft on the full disk") { Self.files(in: "drafts", of: daemon).isEmpty }
            disk.makeRoom()
            try Self.eventually("the daemon is ready") { try daemon.get("/readyz").status == 200 }
            try Self.expectNothingLeft("a full disk", in: daemon)
        }
    }
}
