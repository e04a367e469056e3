// The smallest of ONNX models, as the bytes of their protocol buffers (onnx.proto, IR version 8).

const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];

const number = (field: number, value: number) => [field << 3, ...varint(value)];

function bytes(field: number, content: readonly number[] | string): number[] {
  const body = typeof content === 'string' ? [...Buffer.from(content)] : content;
  return [(field << 3) | 2, ...varint(body.length), ...body];
}

/** Element types as onnx.proto numbers them. */
export const Elements = { float32: 1, float16: 10, float64: 11 } as const;

/**
 * A model with one node: Cast from float32 `x` to `y` of another type, both of rank 3 and any shape.
 *
 * ModelProto: 1 ir_version, 7 graph, 8 opset_import. GraphProto: 1 node, 2 name, 11 input, 12 output. NodeProto: 1 input,
 * 2 output, 4 op_type, 5 attribute. AttributeProto: 1 name, 3 i, 20 type (2 is INT). ValueInfoProto: 1 name,
 * 2 type; TypeProto: 1 tensor_type; Tensor: 1 elem_type, 2 shape; Dimension: 2 dim_param.
 */
export function castModel(to: keyof typeof Elements): Uint8Array {
  const value = (name: string, type: keyof typeof Elements) => {
    const shape = ['T', 'N', 'C'].flatMap((axis) => bytes(1, bytes(2, axis)));
    const tensor = [...number(1, Elements[type]), ...bytes(2, shape)];
    return [...bytes(1, name), ...bytes(2, bytes(1, tensor))];
  };
  const attribute = [...bytes(1, 'to'), ...number(3, Elements[to]), ...[0xa0, 1, 2]];
  const node = [...bytes(1, 'x'), ...bytes(2, 'y'), ...bytes(4, 'Cast'), ...bytes(5, attribute)];
  const graph = [
    ...bytes(1, node),
    ...bytes(2, 'cast'),
    ...bytes(11, value('x', 'float32')),
    ...bytes(12, value('y', to)),
  ];
  return Uint8Array.from([...number(1, 8), ...bytes(7, graph), ...bytes(8, number(2, 13))]);
}
