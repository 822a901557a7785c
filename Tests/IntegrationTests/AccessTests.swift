// Goal: a caller does what its credential allows and no more, and no address leaves through a log or an
// error text.
// Method: every method without a credential, with a wrong one and with the admin token; a daemon that logs
// all it can while addresses go through every method and every kind of mistake.

import ConsentClient
import Foundation
import TestSupport
import Testing
import WireProtocol

@Suite struct AccessTests {
    @Test func methodsNeedTheirScopes() async throws {
        let server = try await TestServer.start()
        let client = try FrameClient(server.address)
        let closed: [Wire.Method] = [
            .putController, .putPurpose, .putNotice, .invalidateNotice, .backup, .journal, .dump, .erase,
        ]
        var stream: UInt32 = 0
        for method in closed {
            stream += 1
            let answer = try client.ask(method, stream, Wire.Empty())
            #expect(answer.status == .permissionDenied && answer.isNotExecuted, "\(method)")
            let detail: Wire.ErrorDetail = try answer.decoded()
            #expect(detail.message.contains("--token-file"), "\(method)")
        }
        for method in [Wire.Method.health, .stats, .catalogue, .memo] {
            stream += 1
            #expect(try client.ask(method, stream, Wire.Empty()).status == .ok, "\(method)")
        }
        stream += 1
        let unknown = try client.ask(Wire.Method(rawValue: 999), stream, Wire.Empty())
        #expect(unknown.status == .unimplemented && unknown.isNotExecuted)
        let token = try String(contentsOfFile: server.stateFolder + "/admin.token", encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let admin = try FrameClient(server.address, credential: Array(token.utf8))
        for method in closed where method != .backup && method != .journal {
            stream += 1
            let answer = try admin.ask(method, stream, Wire.Empty())
            #expect(
                [.ok, .invalidArgument, .notFound].contains(answer.status), "\(method): \(answer.status)")
        }
        await server.server.drain()
    }

    @Test func aWrongTokenIsRefusedInTheHandshake() async throws {
        let server = try await TestServer.start()
        let token = try String(contentsOfFile: server.stateFolder + "/admin.token", encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        for wrong in [String(token.dropLast()), token + "0", token.uppercased() + "x", "x", "\n" + token] {
            do {
                _ = try FrameClient(server.address, credential: Array(wrong.utf8))
                Issue.record("a wrong token was let in")
            } catch FrameClient.Failure.noWelcome(let goaway) {
                #expect(goaway?.reason == .badCredential)
            }
            await #expect(throws: ConsentClientError.self) {
                _ = try await server.client { $0.credential = Array(wrong.utf8) }
            }
        }
        await server.server.drain()
    }

    @Test func noAddressIsLoggedOrPutIntoAnError() async throws {
        let folder = try TemporaryFolder()
        let state = folder.file("state")
        // Not quiet, unlike other tests: all that can be logged is.
        let program = try ProgramUnderTest(
            "consentd",
            ["serve", "--state-dir", state, "--listen", "127.0.0.1:0", "--init", "--log-level", "trace"])
        let line = try #require(program.readLine())
        let address = String(line.dropFirst("listening on ".count))
        let token = try String(contentsOfFile: state + "/admin.token", encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        var configuration = ConsentClient.Configuration()
        configuration.credential = Array(token.utf8)
        configuration.clientName = "canary@leak.example"
        let client = try await ConsentClient.connect(to: address, configuration: configuration)
        let salon = try await Salon(client)
        var texts: [String] = []
        func attempt(_ body: () async throws -> Void) async {
            do { try await body() } catch { texts.append("\(error)") }
        }
        func note(_ result: WriteResult) { texts += result.refusals.map(\.sentence) }
        let addresses = [
            "canary@leak.example", "Canary@Leak.EXAMPLE", "canary@@leak.example", "canary@leak",
            "canary leak@leak.example", "+33698765432", "06 98 76 54 32", "+33 6 98 76 54 3", "0698765432x",
            "canary@[leak.example]", "\u{1}canary@leak.example", "canary@leak.example\r\nx: y",
        ]
        for address in addresses {
            let contact = WriteContact(address)
            let question = salon.question(address.contains("@") ? .email : .sms)
            _ = await client.check(question, .address(address))
            await attempt {
                note(try await client.grant(salon.grant([address], channels: [.email, .sms])))
                var grant = salon.grant([address], channels: [question.channel])
                grant.reference = address
                grant.staff = address
                grant.evidence.userAgent = "agent of \(address)"
                note(try await client.grant(grant))
            }
            var refusal = RefusalNotice(controller: salon.controller, subject: .contacts([contact]))
            refusal.evidence.url = "https://leak.example/?to=\(address)"
            await attempt { note(try await client.withdraw(refusal)) }
            await attempt { note(try await client.record(.bounce, refusal)) }
            await attempt {
                note(
                    try await client.object(
                        RefusalNotice(controller: salon.controller, subject: .reference(address))))
            }
            await attempt {
                _ = try await client.preferences(controller: salon.controller, of: .contacts([contact]))
            }
            await attempt {
                _ = try await client.preferences(controller: salon.controller, of: .reference(address))
            }
            await attempt { _ = try await client.explain(question, .contacts([contact])) }
            await attempt {
                _ = try await client.proof(of: .newestGrant(salon.controller, .contacts([contact]), nil, nil))
            }
            await attempt {
                for try await _ in try client.history(controller: salon.controller, of: .contacts([contact]))
                {}
            }
            await attempt { note(try await client.confirm(token: Array(address.utf8))) }
            await attempt {
                var row = ImportRow(kind: .grant, controller: salon.controller, contacts: [contact])
                row.channels = ChannelSet([.email])
                row.reference = address
                for issue in try await client.importRows([row]).issues {
                    texts += issue.refusals.map(\.sentence)
                }
            }
        }
        _ = await client.checkBatch(salon.question(.email), addresses: addresses)
        await attempt { _ = try await client.keys(of: addresses, controller: salon.controller, kind: .email) }
        await attempt {
            for try await _ in client.backup() {}
        }
        await client.close()
        // Mistakes of every kind, with addresses where none belong, from a caller without scopes.
        let frames = try FrameClient(address, clientName: "canary@leak.example")
        let body = Wire.ContactPoint(address: "canary@leak.example")
        for code: UInt16 in 1...45 { frames.call(Wire.Method(rawValue: code), UInt32(code), body) }
        frames.send(FrameClient.frame(.ping, value: 1))
        while let frame = frames.receive(), frame.header.kind != .pong {
            texts.append(String(decoding: frame.body, as: UTF8.self))
        }
        frames.send(Array("canary@leak.example and more than a header's 24 bytes".utf8))
        while let frame = frames.receive() { texts.append(String(decoding: frame.body, as: UTF8.self)) }
        let stranger = try RawSocket(address)
        stranger.send(Array("canary@leak.example".utf8))
        _ = stranger.receive(1)

        program.signal(SIGTERM)
        let end = program.wait()
        #expect(end.code == 0)
        #expect(end.errors.contains("serving") && end.errors.contains("connection"), "nothing was logged")
        texts += [end.output, end.errors]
        #expect(texts.count > 60)
        for text in texts {
            let plain = text.lowercased()
            #expect(!plain.contains("canary") && !plain.contains("leak"), "\(text)")
            #expect(!plain.filter { !" .-".contains($0) }.contains("698765432"), "\(text)")
        }
    }
}
