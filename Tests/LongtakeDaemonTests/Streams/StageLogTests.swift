import FoundationEssentials
import LongtakeDaemonDriver
import Testing

/// The log of a command as a stream of a real daemon. LongtakeRouteTests has the tests of what the
/// stream does.
@Suite struct StageLogTests {
    private static let pipelines = """
        default: two
        pipelines:
          two:
            description: A command that succeeds in its second attempt.
            input:
              seed: {type: integer, default: 1}
            stages:
              - name: only
                queue: cpu
                seconds: 1
                retry: {attempts: 2, delay_seconds: 1}
                command:
                  - sh
                  - -c
                  - 'echo attempt $LONGTAKE_ATTEMPT; sleep 1; [ $LONGTAKE_ATTEMPT = 2 ] || exit 75; echo é'
        """

    @Test("follows a command from attempt to attempt, ends with the stage, and then 204")
    func attempts() async throws {
        try await onOwnThread {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            let path = directory + "/pipelines.yaml"
            try Self.pipelines.write(toFile: path, atomically: false, encoding: .utf8)
            let daemon = try DaemonProcess(
                environment: [
                    "LONGTAKE_PIPELINES=\(path)", "LONGTAKE_COMMANDS_SANDBOX=optional",
                    "LONGTAKE_STORAGE_MIN_FREE_GIGABYTES=0",
                ])
            let job = try daemon.submit(#"{"input":{}}"#)
            let log = "/v1/jobs/\(job)/log?stage=only"
            let reader = try daemon.stream(log)
            let blocks = try reader.rest(within: 60).filter { $0.event != nil }
            #expect(reader.endedCleanly)
            let events = blocks.compactMap(\.event).filter { $0 != "log" }
            #expect(events == ["stream.hello", "stream.reset"])
            #expect(blocks.contains { $0.data?.contains(#""reason":"attempt""#) == true })
            // The daemon adds a line of its own, which says how the first attempt has ended.
            let lines = blocks.filter { $0.event == "log" }.compactMap(\.data).joined(separator: "\n").split(
                separator: "\n")
            #expect(lines.filter { !$0.hasPrefix("longtake: ") } == ["attempt 1", "attempt 2", "é"])
            #expect(try daemon.get(log).body == "attempt 2\né\n")
            let last = try #require(blocks.last?.id)
            #expect(try daemon.get(log, "Accept: text/event-stream", "Last-Event-ID: \(last)").status == 204)
        }
    }
}
