// Goal: heads and keys have the bytes that are documented, and openssl would agree on the keys. Method: one
// key, its PEM texts, its id and a signature as openssl 3.0 made them; one head spelled out byte by byte;
// every byte of a head flipped.

import ConsentProof
import Testing

private let seed = [UInt8](0..<32)
private let privatePEM = """
    -----BEGIN PRIVATE KEY-----
    MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
    -----END PRIVATE KEY-----

    """
private let publicPEM = """
    -----BEGIN PUBLIC KEY-----
    MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=
    -----END PUBLIC KEY-----

    """

@Suite struct SignedHeadTests {
    @Test func keysAreOpenSSLs() throws {
        let key = try #require(LogSigningKey(seed: seed))
        #expect(key.pem == privatePEM)
        #expect(key.publicKey.pem == publicPEM)
        #expect(key.publicKey.keyID == [0xA0, 0x50, 0x83, 0x7D, 0x85, 0x07, 0x05, 0x82])
        #expect(try LogSigningKey(pem: privatePEM).publicKey == key.publicKey)
        #expect(
            try LogPublicKey(pem: "\n  " + publicPEM.split(separator: "\n").joined(separator: "\r\n"))
                == key.publicKey)
        let signature = try key.signature(for: [UInt8]("abc".utf8))
        #expect(signature.count == 64)
        #expect(signature.prefix(4) == [0xCC, 0x46, 0xD6, 0x2D] && signature.suffix(2) == [0xA4, 0x07])
        #expect(key.publicKey.isValid(signature: signature, for: [UInt8]("abc".utf8)))
        #expect(!key.publicKey.isValid(signature: signature, for: [UInt8]("abd".utf8)))
        #expect(!key.publicKey.isValid(signature: [], for: [UInt8]("abc".utf8)))
    }

    @Test(arguments: [
        "", "-----BEGIN PRIVATE KEY-----", publicPEM, privatePEM.replacing("MC4C", with: "MC4D"),
        privatePEM.replacing("HR4f", with: "HR4"), privatePEM.replacing("4f\n", with: "==\n"),
        privatePEM.replacing("BAgM", with: "B=gM"), privatePEM.replacing("END PRIVATE", with: "END PUBLIC"),
    ])
    func whatIsNoPrivateKeyIsRefused(_ text: String) {
        #expect(throws: ProofError.notAKey(label: "PRIVATE KEY")) { try LogSigningKey(pem: text) }
    }

    @Test func aRandomKeySurvivesItsText() throws {
        let key = LogSigningKey()
        #expect(try LogSigningKey(pem: key.pem).publicKey == key.publicKey)
        #expect(LogSigningKey().publicKey != key.publicKey)
        #expect(LogSigningKey(seed: [1, 2, 3]) == nil)
    }

    @Test func aHeadIsTheBytesOfItsDrawing() throws {
        let key = try #require(LogSigningKey(seed: seed))
        let head = try SignedHead(
            treeSize: 0x0102_0304, root: TreeHash.leaf([]), time: -2,
            incarnation: [UInt8](repeating: 0xAB, count: 16), key: key)
        var expected = [UInt8]("consentd head v1".utf8) + [UInt8](repeating: 0, count: 8)
        expected += [4, 3, 2, 1, 0, 0, 0, 0]
        expected += TreeHash.leaf([]).bytes
        expected += [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]
        expected += [UInt8](repeating: 0xAB, count: 16) + key.publicKey.keyID
        #expect(head.signedBytes == expected)
        #expect(head.signedBytes.count == SignedHead.signedByteCount)
        #expect(head.encoded == expected + head.signature)
        #expect(head.isSigned(by: key.publicKey))
        #expect(!head.isSigned(by: LogSigningKey().publicKey))
        #expect(try SignedHead(decoding: head.encoded) == head)
    }

    @Test func everyFlippedBitOfAHeadIsFound() throws {
        let key = LogSigningKey()
        let head = try SignedHead(
            treeSize: 77, root: TreeHash.leaf([5]), time: 1_700_000_000_000_000,
            incarnation: [UInt8](0..<16), key: key)
        for place in 0..<SignedHead.byteCount {
            var bytes = head.encoded
            bytes[place] ^= 1 << UInt8(place % 8)
            let read = try? SignedHead(decoding: bytes)
            #expect(read?.isSigned(by: key.publicKey) != true, "byte \(place)")
        }
        for count in [0, 95, 96, 159, 161] {
            #expect(throws: ProofError.notAHead(byteCount: count)) {
                try SignedHead(decoding: [UInt8]((head.encoded + [0]).prefix(count)))
            }
        }
    }
}
